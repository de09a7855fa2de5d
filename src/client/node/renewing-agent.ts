import { Agent, type AgentOptions, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import type { SecureContext } from "node:tls";
import type { Identity } from "./identity.ts";
import type { KeptIdentity } from "./kept-identity.ts";

type Opened = (error: Error | null, stream: Duplex) => void;

/**
 * An `https.Agent` whose connections have the identity that is current when they are opened. What is under way on those of
 * a former one ends there; nothing is begun there any more.
 */
export class RenewingAgent extends Agent {
  readonly #kept: KeptIdentity;
  readonly #contextOf: (identity: Identity) => SecureContext;
  readonly #identities = new WeakMap<SecureContext, Identity>();
  /** The identity that a connection is pooled for. */
  readonly #pooledFor = new WeakMap<Duplex, Identity>();

  constructor(
    kept: KeptIdentity,
    contextOf: (identity: Identity) => SecureContext,
    options: Readonly<AgentOptions>,
  ) {
    super({ keepAlive: true, ...options });
    this.#kept = kept;
    this.#contextOf = contextOf;
    this.#use(kept.current);
    kept.onSwap((identity) => {
      this.#swap(identity);
    });
  }

  /**
   * What connections, requests that wait for one, and TLS sessions are kept under: with the identity in it, none is taken
   * for another's. For a connection that is given back it is asked for with the options that it was opened with.
   */
  override getName(options: RequestOptions = {}): string {
    const { secureContext } = options as { secureContext?: SecureContext };
    const identity = (secureContext && this.#identities.get(secureContext)) ?? this.#kept.current;
    return `${super.getName(options)}:${identity.fingerprint}`;
  }

  override createConnection(options: RequestOptions, opened?: Opened): Duplex | null | undefined {
    const { current } = this.#kept;
    const renewing = this.#kept.ready();
    if (!renewing) {
      const socket = super.createConnection(options, opened);
      if (socket) this.#pooledFor.set(socket, current);
      return socket;
    }
    void renewing.then(() => {
      this.#openAnew(options, opened);
    });
    return undefined;
  }

  // Typed as giving nothing; Node closes the connection when it gives false.
  override keepSocketAlive(socket: Duplex): boolean {
    if (this.#pooledFor.get(socket) !== this.#kept.current) return false;
    // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- see above
    const keeps: unknown = super.keepSocketAlive(socket);
    return keeps === true;
  }

  override destroy(): void {
    this.#kept.stop();
    super.destroy();
  }

  /** Opens a connection with what is current now. It is under the former name, and goes once its request is answered. */
  #openAnew(options: RequestOptions, opened: Opened | undefined): void {
    const now = { ...options, ...this.options };
    Object.assign(now, { _agentKey: this.getName(now) });
    const socket = super.createConnection(now);
    if (socket) opened?.(null, socket);
  }

  /** The agent's options go before those of a request. */
  #use(identity: Identity): void {
    const secureContext = this.#contextOf(identity);
    this.#identities.set(secureContext, identity);
    Object.assign(this.options, { secureContext, rejectUnauthorized: true });
  }

  #swap(identity: Identity): void {
    this.#use(identity);
    this.#moveWaiting(identity);
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }

  /** A request that waits for a former identity's connection would wait for good: those are not used again. */
  #moveWaiting({ fingerprint }: Identity): void {
    const waiting = this.requests as Record<string, unknown[]>;
    for (const [name, requests] of Object.entries(waiting)) {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- Node's own table, by name
      delete waiting[name];
      const next = `${name.slice(0, name.lastIndexOf(":"))}:${fingerprint}`;
      waiting[next] = [...(waiting[next] ?? []), ...requests];
    }
  }
}
