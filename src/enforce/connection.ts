import { ServerResponse } from "node:http";
import { type ServerHttp2Session, type ServerHttp2Stream, constants } from "node:http2";
import type { Duplex } from "node:stream";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";
import { SECOND } from "../domain/time.ts";
import type { Answer } from "./transport.ts";

/** An idle connection may still ask once, and be told why not; with the time to notice, it is closed within 2 s. */
const IDLE_GRACE = 1.7 * SECOND;
/** An answer under way may finish within this. */
const ANSWER_GRACE = 4.8 * SECOND;

export type ConnectionKind = "HTTP/1.1" | "HTTP/2" | "upgraded";

const carrier = Symbol("connection");
type Carried = Answer & { [carrier]?: Connection };

/** An open connection of a credential, and the end of it. */
export class Connection {
  readonly transport: Duplex | ServerHttp2Session;
  readonly fingerprint: Fingerprint;
  readonly account: Slug;
  kind: ConnectionKind;
  isEnding = false;
  /** The answer to the latest request. Nearly always it is closed when the next one comes: nothing listens for that. */
  #latest: Carried | undefined;
  /** What is under way besides, and all of it once the connection is ending. */
  #watched: Set<Answer> | undefined;
  #graceOver = false;

  constructor(transport: Duplex | ServerHttp2Session, fingerprint: Fingerprint, account: Slug) {
    this.transport = transport;
    this.fingerprint = fingerprint;
    this.account = account;
    this.kind = "goaway" in transport ? "HTTP/2" : "HTTP/1.1";
  }

  /** Notes that an answer is under way. */
  answering(answer: Carried): void {
    if (this.#latest === answer || this.#watched?.has(answer)) return;
    this.#watchLatest();
    this.#latest = answer;
    if (!this.isEnding) return;
    this.#watchLatest();
    endIfStream(this, answer);
  }

  answered(answer: Answer): void {
    this.#watched?.delete(answer);
    if (this.#graceOver && !this.#isAnswering) this.transport.destroy();
  }

  /** For good: at once what would go on without another decision, else after a grace. */
  end(): void {
    this.isEnding = true;
    this.#watchLatest();
    this.endStreams();
    if (this.transport.destroyed) return;
    const idle = setTimeout(() => {
      this.#graceOver = true;
      if (!this.#isAnswering) this.transport.destroy();
    }, IDLE_GRACE).unref();
    const answer = setTimeout(() => {
      this.transport.destroy();
    }, ANSWER_GRACE).unref();
    const forget = (): void => {
      for (const timer of [idle, answer]) clearTimeout(timer);
    };
    // Two overloads that say the same.
    if ("goaway" in this.transport) this.transport.once("close", forget);
    else this.transport.once("close", forget);
  }

  /**
   * Ends at once what would go on without another decision: event streams, also those that are yet to begin, and what the
   * connection was upgraded to. Of an HTTP/2 session, other streams stay.
   *
   * @returns whether there was any
   */
  endStreams(): boolean {
    if (this.kind === "upgraded") {
      this.transport.destroy();
      return true;
    }
    this.#watchLatest();
    const streams = [...(this.#watched ?? [])].filter(isEventStream);
    for (const stream of streams) this.cut(stream);
    for (const answer of this.#watched ?? []) endIfStream(this, answer);
    return streams.length > 0;
  }

  cut(answer: Answer): void {
    if (answer instanceof ServerResponse) this.transport.destroy();
    else answer.close(constants.NGHTTP2_CANCEL);
  }

  get #isAnswering(): boolean {
    return this.#watched !== undefined && this.#watched.size > 0;
  }

  /** Has the latest answer tell when it closes, unless it is closed: Node calls it destroyed just before it says so. */
  #watchLatest(): void {
    const answer = this.#latest;
    this.#latest = undefined;
    if (!answer || answer.destroyed) return;
    this.#watched ??= new Set();
    this.#watched.add(answer);
    answer[carrier] = this;
    answer.on("close", answered);
  }
}

function answered(this: Carried): void {
  this[carrier]?.answered(this);
}

/** An answer that was let through before, and has not begun yet, may become a stream: that is known when its headers go out. */
function endIfStream(connection: Connection, answer: Answer): void {
  if (answer.headersSent) return;
  const cutIfStream = (): void => {
    if (isEventStream(answer)) connection.cut(answer);
  };
  if (answer instanceof ServerResponse) afterCall(answer, "writeHead", cutIfStream);
  else afterCall(answer, "respond", cutIfStream);
}

/** Node calls these for headers that nobody sends explicitly, too. */
function afterCall<Name extends string>(
  target: Record<Name, (...args: never[]) => unknown>,
  name: Name,
  then: () => void,
): void {
  const call = target[name];
  target[name] = (...args: never[]): unknown => {
    const result = call.apply(target, args);
    then();
    return result;
  };
}

function isEventStream(answer: Answer): boolean {
  return answer instanceof ServerResponse ? isEventResponse(answer) : isEventHttp2Stream(answer);
}

/** Headers that were given to writeHead() stand nowhere but in the block that was sent, which Node keeps as text. */
function isEventResponse(response: ServerResponse & { readonly _header?: string | null }): boolean {
  return /\r\ncontent-type: *text\/event-stream/i.test(response._header ?? "");
}

function isEventHttp2Stream(stream: ServerHttp2Stream): boolean {
  // Node's types leave out that there are none before they are sent.
  const sent = (stream.sentHeaders as typeof stream.sentHeaders | undefined) ?? {};
  return Object.entries(sent).some(
    ([name, value]) => name.toLowerCase() === "content-type" && /^ *text\/event-stream/i.test(String(value)),
  );
}
