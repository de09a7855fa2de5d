import { readFileSync } from "node:fs";
import { type TLSSocket, connect } from "node:tls";

export interface RawAnswer {
  readonly status: number;
  /** In lower case, and as they came. */
  readonly head: string;
  readonly body: string;
}

/** A TLS connection to a listener, on which anything can be sent. */
export class RawConnection {
  readonly socket: TLSSocket;
  readonly #closed: Promise<void>;
  #received = "";

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.setEncoding("latin1").on("data", (text: string) => (this.#received += text));
    this.#closed = new Promise((resolve) => {
      // That the other side tears it down is nothing out of the ordinary here.
      socket
        .on("error", () => undefined)
        .once("close", () => {
          resolve();
        });
    });
  }

  static open(server: { readonly ca: string; readonly root: string }): Promise<RawConnection> {
    const { hostname, port } = new URL(server.ca);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), ca: readFileSync(server.root) }, () => {
        socket.off("error", reject);
        resolve(new RawConnection(socket));
      });
      socket.once("error", reject);
    });
  }

  send(...parts: readonly (string | Uint8Array)[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** Every answer, once the other side has closed the connection. */
  async untilClosed(): Promise<RawAnswer[]> {
    await this.#closed;
    return answersIn(this.#received);
  }

  /** The first answer that is not an interim one; an error when the connection is closed before. */
  async finalAnswer(): Promise<RawAnswer> {
    for (;;) {
      const answer = answersIn(this.#received).find(({ status }) => status >= 200);
      if (answer) return answer;
      if (this.socket.destroyed) throw new Error(`closed after ${JSON.stringify(this.#received)}`);
      await Promise.race([new Promise((resolve) => this.socket.once("data", resolve)), this.#closed]);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Those that are there completely; all of ours have a Content-Length, or no body. */
function answersIn(received: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = received;
  for (;;) {
    const match = /^HTTP\/1\.1 (\d{3})[^]*?\r\n\r\n/.exec(rest);
    if (!match) return answers;
    const head = match[0].toLowerCase();
    const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
    if (rest.length < match[0].length + length) return answers;
    answers.push({
      status: Number(match[1]),
      head,
      body: rest.slice(match[0].length, match[0].length + length),
    });
    rest = rest.slice(match[0].length + length);
  }
}
