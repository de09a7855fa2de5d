import type { ServerHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import type { Credential } from "../domain/decision.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";
import type { Clock, Logger } from "../domain/ports.ts";
import { type Instant, MINUTE } from "../domain/time.ts";
import { Connection, type ConnectionKind } from "./connection.ts";
import { ConnectionLimits } from "./connection-limits.ts";
import { ExpiryQueue } from "./expiry-queue.ts";
import type { Answer } from "./transport.ts";

/** Of a credential, what the registry goes by. */
type Holder = Pick<Credential, "fingerprint" | "notAfter"> & { readonly account: { readonly slug: Slug } };

/** The open connections of each credential, and the end of them (docs/enforcement.md). Nobody else's is touched. */
export class ConnectionRegistry {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #byFingerprint = new Map<Fingerprint, Set<Connection>>();
  readonly #byAccount = new Map<Slug, Set<Connection>>();
  readonly #byTransport = new WeakMap<object, Connection>();
  readonly #upgraded = new WeakSet<object>();
  readonly #limits = new ConnectionLimits();
  readonly #expiries = new ExpiryQueue<Fingerprint>();
  readonly #expiring = new Map<Fingerprint, Instant>();
  #timer: NodeJS.Timeout | undefined;
  #open = 0;
  /** One for all connections. */
  readonly #closed: (this: object) => void;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    const forget = (transport: object): void => {
      this.#forget(transport);
    };
    this.#closed = function (this: object) {
      forget(this);
    };
  }

  get openConnections(): number {
    return this.#open;
  }

  /** How many each account has that has any. */
  *byAccount(): Iterable<readonly [account: Slug, connections: number]> {
    for (const [account, connections] of this.#byAccount) yield [account, connections.size];
  }

  /** Credentials that have one. */
  get credentials(): readonly Fingerprint[] {
    return [...this.#byFingerprint.keys()];
  }

  /**
   * Remembers a connection until it closes; at the credential's `notAfter` it is ended.
   *
   * @returns whether it was not known before
   */
  add(transport: Duplex | ServerHttp2Session, holder: Holder): boolean {
    if (this.#byTransport.has(transport) || transport.destroyed) return false;
    const { fingerprint, account, notAfter } = holder;
    const connection = new Connection(transport, fingerprint, account.slug);
    if (this.#upgraded.has(transport)) connection.kind = "upgraded";
    this.#byTransport.set(transport, connection);
    put(this.#byFingerprint, fingerprint, connection);
    put(this.#byAccount, account.slug, connection);
    this.#open += 1;
    // Two overloads that say the same.
    if ("goaway" in transport) transport.on("close", this.#closed);
    else transport.on("close", this.#closed);
    this.#expireAt(notAfter, fingerprint);
    return true;
  }

  /** Whether a connection is among as many as its credential and its account may have. */
  admits(
    transport: Duplex | ServerHttp2Session,
    most: { readonly credential: number | undefined; readonly account: number | undefined },
  ): boolean {
    const connection = this.#byTransport.get(transport);
    if (connection === undefined || this.#limits.admits(connection, most)) return true;
    connection.endStreams(); // its place is somebody else's
    return false;
  }

  /** Notes that an answer is under way. */
  answering(transport: Duplex | ServerHttp2Session, answer: Answer): void {
    this.#byTransport.get(transport)?.answering(answer);
  }

  /** Notes that a connection leaves HTTP, known or not: nothing on it will be decided on again. */
  upgraded(socket: Duplex): void {
    this.#upgraded.add(socket);
    const connection = this.#byTransport.get(socket);
    if (!connection) return;
    connection.kind = "upgraded";
    if (connection.isEnding) socket.destroy();
  }

  /** Ends a credential's connections; returns how many it ends. */
  end(fingerprint: Fingerprint): number {
    const connections = [...(this.#byFingerprint.get(fingerprint) ?? [])].filter(({ isEnding }) => !isEnding);
    for (const connection of connections) connection.end();
    this.#report(connections, "connections are ended with their credential");
    return connections.length;
  }

  /** Ends what would go on without another decision on a credential's connections; returns on how many. */
  endStreams(fingerprint: Fingerprint): number {
    return this.#endStreams(this.#byFingerprint.get(fingerprint));
  }

  /** The same, of all credentials of an account. */
  endStreamsOf(account: Slug): number {
    return this.#endStreams(this.#byAccount.get(account));
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #forget(transport: object): void {
    const connection = this.#byTransport.get(transport);
    if (!connection) return;
    this.#byTransport.delete(transport);
    this.#open -= 1;
    take(this.#byFingerprint, connection.fingerprint, connection);
    take(this.#byAccount, connection.account, connection);
    this.#limits.closed(connection);
  }

  #endStreams(connections: Iterable<Connection> = []): number {
    const streaming = [...connections].filter((connection) => connection.endStreams());
    this.#report(streaming, "streams are ended with a suspension");
    return streaming.length;
  }

  /** A line for each credential and kind. */
  #report(ended: readonly Connection[], message: string): void {
    const lines = new Map<
      string,
      { fingerprint: Fingerprint; account: Slug; kind: ConnectionKind; n: number }
    >();
    for (const { fingerprint, account, kind } of ended) {
      const key = `${kind} ${fingerprint}`;
      const line = lines.get(key) ?? { fingerprint, account, kind, n: 0 };
      line.n += 1;
      lines.set(key, line);
    }
    for (const { n, ...fields } of lines.values()) this.#logger.info({ ...fields, connections: n }, message);
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

function put<Key>(map: Map<Key, Set<Connection>>, key: Key, connection: Connection): void {
  const connections = map.get(key) ?? new Set();
  map.set(key, connections.add(connection));
}

function take<Key>(map: Map<Key, Set<Connection>>, key: Key, connection: Connection): void {
  const connections = map.get(key);
  connections?.delete(connection);
  if (connections?.size === 0) map.delete(key);
}
