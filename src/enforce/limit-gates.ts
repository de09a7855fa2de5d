import type { Credential, LimitGate, RateStanding } from "../domain/decision.ts";
import type { Clock } from "../domain/ports.ts";
import type { ConnectionRegistry } from "./connection-registry.ts";
import { RateLimiter } from "./rate-limiter.ts";
import type { Incoming, Transport } from "./transport.ts";

/** What the decision asks of callers that are limited; of others nothing is kept. */
export class LimitGates {
  readonly #limiter: RateLimiter;
  readonly #connections: ConnectionRegistry;
  /** A request counts once, however often it is decided on. */
  readonly #taken = new WeakMap<Incoming, ReturnType<RateLimiter["take"]>>();

  constructor(clock: Clock, connections: ConnectionRegistry) {
    this.#limiter = new RateLimiter(clock);
    this.#connections = connections;
  }

  /** @param request without one, what is asked about is a connection */
  of(
    request: Incoming | undefined,
    transport: Transport,
    credential: Credential | "unavailable" | undefined,
  ): Gate | undefined {
    if (typeof credential !== "object" || !isLimited(credential)) return undefined;
    const take = (): ReturnType<RateLimiter["take"]> | undefined =>
      request && this.#take(request, credential);
    return new Gate(take, () => this.#hasConnection(transport, credential));
  }

  /** Of a caller that has no connection here. */
  ofRate(credential: Credential | "unavailable" | undefined): Gate | undefined {
    if (typeof credential !== "object" || !isLimited(credential)) return undefined;
    return new Gate(
      () => this.#limiter.take(credential),
      () => true,
    );
  }

  /** A connection takes its place when it comes, not when it first asks. */
  connected(transport: Transport, credential: Credential): void {
    if (isLimited(credential)) this.#hasConnection(transport, credential);
  }

  #take(request: Incoming, credential: Credential): ReturnType<RateLimiter["take"]> {
    const taken = this.#taken.get(request) ?? this.#limiter.take(credential);
    this.#taken.set(request, taken);
    return taken;
  }

  #hasConnection(transport: Transport, { account, limits }: Credential): boolean {
    const most = { account: account.maxConnections, credential: limits?.maxConnections };
    return this.#connections.admits(transport, most);
  }
}

class Gate implements LimitGate {
  /** Once the rate was asked for. */
  rates: readonly RateStanding[] | undefined;
  readonly #take: () => ReturnType<RateLimiter["take"]> | undefined;
  readonly hasConnection: () => boolean;

  constructor(take: () => ReturnType<RateLimiter["take"]> | undefined, hasConnection: () => boolean) {
    this.#take = take;
    this.hasConnection = hasConnection;
  }

  isWithinRate(): boolean {
    const taken = this.#take();
    this.rates = taken?.standings;
    return taken?.isWithin ?? true;
  }
}

function isLimited({ account, limits }: Credential): boolean {
  return (
    account.rate !== undefined ||
    account.maxConnections !== undefined ||
    limits?.rate !== undefined ||
    limits?.maxConnections !== undefined
  );
}
