import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Clock } from "../domain/ports.ts";
import { type Instant, MINUTE, SECOND } from "../domain/time.ts";
import { ExpiryQueue } from "./expiry-queue.ts";

/** An idle connection may still ask once, and be told why not; with the time to notice, it is closed within 2 s. */
const IDLE_GRACE = 1.7 * SECOND;
/** An answer under way may finish within this. */
const ANSWER_GRACE = 4.8 * SECOND;

interface Connection {
  readonly socket: Duplex;
  readonly answers: Set<ServerResponse>;
  ending: boolean;
  /** Nothing more is waited for. */
  graceOver: boolean;
}

/** The open connections of each credential, and the end of them (docs/enforcement.md). Nobody else's is touched. */
export class ConnectionRegistry {
  readonly #clock: Clock;
  readonly #byFingerprint = new Map<Fingerprint, Set<Connection>>();
  readonly #bySocket = new WeakMap<Duplex, Connection>();
  readonly #expiries = new ExpiryQueue<Fingerprint>();
  readonly #expiring = new Map<Fingerprint, Instant>();
  #timer: NodeJS.Timeout | undefined;
  #open = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get openConnections(): number {
    return this.#open;
  }

  /** Credentials that have one. */
  get credentials(): readonly Fingerprint[] {
    return [...this.#byFingerprint.keys()];
  }

  /** Remembers a connection until it closes; at `notAfter` it is ended. */
  add(socket: Duplex, fingerprint: Fingerprint, notAfter: Instant): void {
    if (this.#bySocket.has(socket) || socket.destroyed) return;
    const connection = { socket, answers: new Set<ServerResponse>(), ending: false, graceOver: false };
    this.#bySocket.set(socket, connection);
    const connections = this.#byFingerprint.get(fingerprint) ?? new Set();
    this.#byFingerprint.set(fingerprint, connections.add(connection));
    this.#open += 1;
    socket.once("close", () => {
      this.#open -= 1;
      connections.delete(connection);
      if (connections.size === 0) this.#byFingerprint.delete(fingerprint);
    });
    this.#expireAt(notAfter, fingerprint);
  }

  /** Notes that an answer is under way. */
  answering(socket: Duplex, response: ServerResponse): void {
    const connection = this.#bySocket.get(socket);
    if (!connection) return;
    connection.answers.add(response);
    response.once("close", () => {
      connection.answers.delete(response);
      if (connection.graceOver && connection.answers.size === 0) socket.destroy();
    });
  }

  /** Ends a credential's connections; returns how many it ends. */
  end(fingerprint: Fingerprint): number {
    const connections = [...(this.#byFingerprint.get(fingerprint) ?? [])].filter(({ ending }) => !ending);
    for (const connection of connections) end(connection);
    return connections.length;
  }

  /** Ends the connections on which an event stream is under way: it would go on without another decision. */
  endStreams(fingerprints: readonly Fingerprint[]): number {
    const connections = fingerprints.flatMap((each) => [...(this.#byFingerprint.get(each) ?? [])]);
    const streaming = connections.filter(({ answers }) => [...answers].some(isEventStream));
    for (const { socket } of streaming) socket.destroy();
    for (const { socket, answers } of connections) for (const answer of answers) endIfStream(socket, answer);
    return streaming.length;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #expireAt(notAfter: Instant, fingerprint: Fingerprint): void {
    if (this.#expiring.has(fingerprint)) return;
    this.#expiring.set(fingerprint, notAfter);
    this.#expiries.push(notAfter, fingerprint);
    this.#wait();
  }

  /** One timer for all; never longer than a minute, so that a clock that jumps is noticed (and 2³¹ ms not passed). */
  #wait(): void {
    clearTimeout(this.#timer);
    const { nextDue } = this.#expiries;
    if (nextDue === undefined) return;
    const delay = Math.min(Math.max(nextDue - this.#clock.now(), 0), MINUTE);
    this.#timer = setTimeout(() => {
      this.#expire();
    }, delay);
    this.#timer.unref();
  }

  #expire(): void {
    for (let due; (due = this.#expiries.takeDue(this.#clock.now())) !== undefined;) {
      this.#expiring.delete(due);
      this.end(due);
    }
    this.#wait();
  }
}

function end(connection: Connection): void {
  connection.ending = true;
  const { socket, answers } = connection;
  if ([...answers].some(isEventStream)) {
    socket.destroy();
    return;
  }
  setTimeout(() => {
    connection.graceOver = true;
    if (answers.size === 0) socket.destroy();
  }, IDLE_GRACE).unref();
  setTimeout(() => {
    socket.destroy();
  }, ANSWER_GRACE).unref();
}

/** An answer that was let through before, and has not begun yet, may become a stream. */
function endIfStream(socket: Duplex, answer: ServerResponse): void {
  if (answer.headersSent) return;
  const looking = setInterval(() => {
    if (!answer.headersSent) return;
    clearInterval(looking);
    if (isEventStream(answer)) socket.destroy();
  }, SECOND).unref();
  answer.once("close", () => {
    clearInterval(looking);
  });
}

/** Headers that were given to writeHead() stand nowhere but in the block that was sent, which Node keeps as text. */
function isEventStream(response: ServerResponse & { readonly _header?: string | null }): boolean {
  const sent = response._header ?? `\r\ncontent-type: ${String(response.getHeader("content-type"))}`;
  return /\r\ncontent-type: *text\/event-stream/i.test(sent);
}
