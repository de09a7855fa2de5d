export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * Reads HTTP/1.1 answers off one connection, with Content-Length or chunked (RFC 9112 §6), and nothing else: what
 * node:http does beyond that would cost the load's core more than the server takes.
 */
export class AnswerReader {
  #received: Buffer = Buffer.alloc(0);

  /** Takes what arrived; returns the answer once it is whole. Throws for what isn't such an answer. */
  push(part: Buffer): HttpAnswer | undefined {
    this.#received = this.#received.length === 0 ? part : Buffer.concat([this.#received, part]);
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return undefined;
    const head = this.#received.toString("latin1", 0, headEnd);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (!status) throw new Error(`not an HTTP/1.1 answer: ${head.slice(0, 80)}`);
    const whole = readBody(head, this.#received, headEnd + 4);
    if (!whole) return undefined;
    // One request is under way at a time: nothing may follow its answer.
    if (whole.end !== this.#received.length) throw new Error("more than one answer to one request");
    this.#received = Buffer.alloc(0);
    return { status, body: whole.body };
  }
}

interface Body {
  readonly body: Buffer;
  /** Where it ends in what was received. */
  readonly end: number;
}

function readBody(head: string, received: Buffer, start: number): Body | undefined {
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return end <= received.length ? { body: received.subarray(start, end), end } : undefined;
  }
  if (/\r\ntransfer-encoding:[ \t]*chunked/i.test(head)) return readChunks(received, start);
  throw new Error("an answer with neither Content-Length nor chunks");
}

function readChunks(received: Buffer, start: number): Body | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ;) {
    const lineEnd = received.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error("a chunk without a size");
    const end = lineEnd + 2 + size + 2;
    if (end > received.length) return undefined;
    if (size === 0) return { body: Buffer.concat(chunks), end }; // no trailers
    chunks.push(received.subarray(lineEnd + 2, end - 2));
    at = end;
  }
}
