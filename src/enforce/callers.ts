import type { Credential } from "../domain/decision.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Clock } from "../domain/ports.ts";
import type { Instant } from "../domain/time.ts";
import type { ConnectionRegistry } from "./connection-registry.ts";
import type { CredentialIndex } from "./credential-index.ts";
import type { LimitGates } from "./limit-gates.ts";
import { type Seen, see } from "./seen.ts";
import type { StoreLookup } from "./store-lookup.ts";
import type { Transport } from "./transport.ts";
import type { TrustedCas } from "./trusted-cas.ts";

export interface CallersParts {
  readonly clock: Clock;
  readonly index: CredentialIndex;
  readonly lookup: StoreLookup;
  readonly trust: TrustedCas;
  /** Told of each connection whose caller is known. */
  readonly connections: ConnectionRegistry;
  readonly gates: LimitGates;
}

/** Who is on which connection. A connection is asked once; what is known of its caller is read again when it may have changed. */
export class Callers {
  readonly #parts: CallersParts;
  readonly #began = new WeakMap<Transport, Instant>();
  readonly #seen = new WeakMap<Transport, Seen>();

  constructor(parts: CallersParts) {
    this.#parts = parts;
  }

  /** Notes when a connection began whose caller is asked about later, if ever. */
  began(transport: Transport): void {
    this.#began.set(transport, this.#parts.clock.now());
  }

  /** Whether a connection was asked. */
  hasSeen(transport: Transport): boolean {
    return this.#seen.has(transport);
  }

  seenOn(transport: Transport): Seen {
    const before = this.#seen.get(transport);
    if (before) return before;
    const { trust, clock } = this.#parts;
    const seen = see(transport, trust.issuers, this.#began.get(transport) ?? clock.now());
    this.#seen.set(transport, seen);
    return seen;
  }

  /** Read from the index, and noted, only where something in it has changed: it may have become known since the handshake. */
  knownOn(transport: Transport, seen: Seen): Credential | undefined {
    const { index } = this.#parts;
    const { version } = index;
    if (seen.version === version) return seen.known;
    seen.known = seen.presented && index.get(seen.presented.fingerprint);
    seen.version = version;
    if (seen.known) this.#remember(transport, seen.known);
    return seen.known;
  }

  /** Looks in the database for what is not in the index. */
  async find(
    transport: Transport,
    fingerprint: Fingerprint,
  ): Promise<Credential | "unavailable" | undefined> {
    const found = await this.#parts.lookup.find(fingerprint);
    if (typeof found === "object") this.#remember(transport, found);
    return found;
  }

  #remember(transport: Transport, credential: Credential): void {
    const { connections, gates } = this.#parts;
    if (connections.add(transport, credential)) gates.connected(transport, credential);
    if (credential.status === "revoked") connections.end(credential.fingerprint); // after it was told why, or soon if it never asks
  }
}
