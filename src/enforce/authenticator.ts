import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import {
  type Caller,
  type Credential,
  type Decision,
  type Denial,
  type PresentedCertificate,
  decide,
} from "../domain/decision.ts";
import type { ErrorCode } from "../domain/errors.ts";
import { markOf } from "../domain/history.ts";
import type { Fingerprint, IssuerId } from "../domain/identifiers.ts";
import type { Scope } from "../domain/names.ts";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import type { SteadyClock } from "../domain/steady-clock.ts";
import { HOUR, type Instant } from "../domain/time.ts";
import { ChangeFollower, MAX_STALENESS, type WentBack } from "../services/follow-changes.ts";
import type { EndedUse } from "../services/retired-use.ts";
import { Callers } from "./callers.ts";
import { ConnectionRegistry } from "./connection-registry.ts";
import { CredentialIndex, type ListedSerials } from "./credential-index.ts";
import { EndedUses } from "./ended-uses.ts";
import { LimitGates } from "./limit-gates.ts";
import { describeLeaf, mayBeLookedUp } from "./presented-certificate.ts";
import { type Seen, isDirectedOn } from "./seen.ts";
import { StandingChanges } from "./standing-changes.ts";
import { StoreLookup } from "./store-lookup.ts";
import { type Answer, type Incoming, type Transport, hasLeft, transportOf } from "./transport.ts";
import { TrustedCas } from "./trusted-cas.ts";
import type { UseRecorder } from "./use-recorder.ts";

export interface AuthenticatorParts {
  readonly database: Database;
  readonly clock: Clock;
  /** By which certificates end: one that is not set back. */
  readonly validityClock: SteadyClock;
  readonly logger: Logger;
  /** CAs beside our own, PEM: a credential of theirs that is registered may call. */
  readonly foreignAnchors?: readonly string[] | undefined;
  /** How this process is known to the commands that wait for it. */
  readonly identity: { readonly id: string; readonly pid: number; readonly host: string };
  /** Told of every decision. */
  readonly use?: Pick<UseRecorder, "count" | "deniedLater"> | undefined;
  /** Told of a certificate that has ended, and is presented all the same. */
  readonly onEnded?: ((use: EndedUse) => void) | undefined;
  /** Told of every change after it was applied. */
  readonly onChanges?: (changes: readonly Change[]) => void | Promise<void>;
  /** Told of a database that went back, after what is kept here was loaded anew. Fails when its own could not be. */
  readonly onWentBack?: (wentBack: WentBack) => Promise<void>;
}

/** Who is calling, and may they? Answers from memory, which follows the database. */
export class Authenticator {
  readonly connections: ConnectionRegistry;
  readonly trust: TrustedCas;
  readonly #clock: Clock;
  readonly #validityClock: SteadyClock;
  readonly #index: CredentialIndex;
  readonly #lookup: StoreLookup;
  readonly #follower: ChangeFollower;
  readonly #standing: StandingChanges;
  readonly #use: AuthenticatorParts["use"];
  readonly #ended: EndedUses;
  readonly #callers: Callers;
  readonly #gates: LimitGates;
  readonly #pruning: NodeJS.Timeout;
  readonly #unlisten: () => void;

  private constructor(parts: AuthenticatorParts, index: CredentialIndex, trust: TrustedCas) {
    this.#clock = parts.clock;
    this.#validityClock = parts.validityClock;
    this.#use = parts.use;
    this.#ended = new EndedUses(parts.onEnded);
    this.#index = index;
    this.trust = trust;
    this.#lookup = new StoreLookup((fingerprint) => index.fetch(fingerprint), parts.clock);
    this.connections = new ConnectionRegistry(parts.validityClock, parts.logger);
    this.#gates = new LimitGates(parts.clock, this.connections);
    this.#callers = new Callers({
      ...{ clock: parts.clock, index, trust, lookup: this.#lookup },
      ...{ connections: this.connections, gates: this.#gates },
    });
    const standing = new StandingChanges({ ...parts, index, trust, connections: this.connections });
    this.#standing = standing;
    this.#follower = new ChangeFollower({
      ...parts,
      identity: { ...parts.identity },
      apply: async (changes) => {
        const ended = await standing.apply(changes);
        await parts.onChanges?.(changes);
        return ended;
      },
      loadAnew: async (wentBack) => {
        await standing.loadAnew();
        await parts.onWentBack?.(wentBack);
      },
      onFault: (error) => {
        parts.logger.error({ err: error }, "changes cannot be followed; deciding from memory for a while");
      },
    });
    this.#unlisten = parts.database.onCommit((changes) => {
      for (const { action, subject } of changes)
        if (action === "certificate.revoke") this.#index.revoke(subject as Fingerprint);
    });
    this.#pruning = setInterval(() => {
      void index.prune(this.#clock.now());
    }, HOUR).unref();
  }

  /** Loads every live credential, then follows the changes. */
  static async start(parts: AuthenticatorParts): Promise<Authenticator> {
    const { database, clock } = parts;
    const newest = await database.changes.newest();
    const index = new CredentialIndex(database);
    await index.load(clock.now());
    const trust = await TrustedCas.read(database, parts.foreignAnchors ?? [], parts.logger);
    const authenticator = new Authenticator(parts, index, trust);
    await authenticator.#follower.start(newest && markOf(newest));
    return authenticator;
  }

  /** Credentials in memory. */
  get size(): number {
    return this.#index.size;
  }

  /** Milliseconds since memory was last known to agree with the database. */
  get staleness(): number {
    return this.#stalenessAt(this.#clock.now());
  }

  get isCurrent(): boolean {
    return this.#isCurrentAt(this.#clock.now());
  }

  /** Takes what another CA's CRL lists, in place of what it listed before; open connections end as by a revocation. */
  setListed(issuer: IssuerId, serials: ListedSerials): void {
    this.#index.setListed(issuer, serials);
    for (const fingerprint of this.connections.credentials) {
      const credential = this.#index.get(fingerprint);
      if (credential?.issuer === issuer) this.#standing.end(fingerprint, credential);
    }
  }

  /** Notes when a connection began whose caller is asked about later, if ever. Call it after the handshake. */
  began(transport: Transport): void {
    this.#callers.began(transport);
  }

  /** Notes a new connection, so that it can be ended with its credential. Call it after the handshake. */
  connected(transport: Transport): void {
    const seen = this.#callers.seenOn(transport);
    const { presented } = seen;
    if (!presented) return;
    // Enrolled a moment ago, perhaps: an idle connection has to be known as well.
    if (!this.#callers.knownOn(transport, seen) && mayBeLookedUp(presented)) {
      void this.#callers.find(transport, presented.fingerprint);
    }
  }

  /**
   * Decides whether a request may go on (docs/enforcement.md). Call it for every request, also on a connection that asked before.
   *
   * Synchronous for what is in memory; a promise only for a fingerprint that has to be looked up.
   */
  authorize(request: Incoming, requiredScopes: readonly Scope[] = []): Decision | Promise<Decision> {
    const transport = transportOf(request);
    // Who it was can be asked of the connection no more, and nobody is there to be answered.
    const isOpen = transport && (!transport.destroyed || this.#callers.hasSeen(transport));
    if (!isOpen && hasLeft(request)) return gone;
    if (!transport) throw new TypeError("authorize() is for requests that came over TLS");
    return this.#authorize(transport, requiredScopes, request);
  }

  /** The same of a request for a renewal, of which nobody is told whose certificate has ended. */
  authorizeRenewal(request: Incoming): Decision | Promise<Decision> {
    this.#ended.renewing(request);
    return this.authorize(request);
  }

  /** Decides what a request without any demands of its own would be told, by what the handshake says. */
  authorizeHandshake(socket: TLSSocket): Decision | Promise<Decision> {
    return this.#authorize(socket, [], undefined);
  }

  /**
   * Decides on a certificate whose key somebody else has seen proven: for a proxy that is trusted with that. The caller
   * has no connection here: limits of connections are not asked about, nor which host the handshake named.
   *
   * @param request of the proxy; its User-Agent is taken for the caller's
   * @param caller.address as the proxy says it; without one, no rule of addresses lets the caller in
   */
  async vouched(
    { rawHeaders }: Incoming,
    leaf: X509Certificate,
    caller: { readonly address: string | undefined; readonly scopes: readonly Scope[] },
  ): Promise<Decision> {
    // OpenSSL has not looked at it here. When it ends is what the record says.
    const fault = this.trust.haveSigned(leaf, this.#clock.now()) ? undefined : "other";
    const presented = describeLeaf(leaf, fault, () => false);
    const { fingerprint } = presented;
    let credential: Credential | "unavailable" | undefined = this.#index.get(fingerprint);
    if (!credential && mayBeLookedUp(presented)) credential = await this.#lookup.find(fingerprint);
    const gate = this.#gates.ofRate(credential);
    const now = this.#clock.now();
    const decision = decide({
      ...{ presented, credential, gate, now: this.#validityClock.by(now) },
      ...{ address: caller.address ?? "", requiredScopes: caller.scopes },
      ...{ current: this.#isCurrentAt(now), directed: true },
    });
    // Another request than the proxy's own, which was counted for the proxy.
    this.#use?.count({ rawHeaders }, decision, now, caller.address);
    return gate?.rates ? { ...decision, rates: gate.rates } : decision;
  }

  /** What one of our own certificates is to the decision by our own check, whatever OpenSSL finds of its time. */
  presentOwn(leaf: X509Certificate, now: Instant): PresentedCertificate {
    return describeLeaf(leaf, this.trust.ownHaveSigned(leaf, now) ? undefined : "other", () => false);
  }

  /** Counts as denied what was let through, and is refused all the same. */
  deniedLater(request: Incoming, caller: Caller, code: ErrorCode): void {
    this.#use?.deniedLater(request, caller, code);
  }

  /** Whose a connection is, for the log: nothing is decided. */
  holderOn(transport: Transport): Pick<Denial, "fingerprint" | "account"> {
    const seen = this.#callers.seenOn(transport);
    const account = this.#callers.knownOn(transport, seen)?.account.slug;
    return { fingerprint: seen.presented?.fingerprint, account };
  }

  /** Notes the answer to a request that was decided on: it may have to be cut. */
  answering(request: Incoming, answer: Answer): void {
    const transport = transportOf(request);
    if (transport) this.connections.answering(transport, answer);
  }

  async close(): Promise<void> {
    clearInterval(this.#pruning);
    this.#unlisten();
    this.connections.close();
    await this.#follower.stop();
  }

  #stalenessAt(now: Instant): number {
    // A clock that was set back says nothing of how much time has passed: too far back is too old.
    return Math.abs(now - this.#follower.currentAt);
  }

  #isCurrentAt(now: Instant): boolean {
    return this.#stalenessAt(now) <= MAX_STALENESS && !this.#follower.isLost;
  }

  #authorize(
    transport: Transport,
    requiredScopes: readonly Scope[],
    request: Incoming | undefined,
  ): Decision | Promise<Decision> {
    const seen = this.#callers.seenOn(transport);
    const { presented } = seen;
    const known = this.#callers.knownOn(transport, seen);
    if (!presented || known || !mayBeLookedUp(presented)) {
      return this.#decide(request, transport, seen, known, requiredScopes);
    }
    return this.#callers
      .find(transport, presented.fingerprint)
      .then((found) => this.#decide(request, transport, seen, found, requiredScopes));
  }

  #decide(
    request: Incoming | undefined,
    transport: Transport,
    seen: Seen,
    credential: Credential | "unavailable" | undefined,
    requiredScopes: readonly Scope[],
  ): Decision {
    const { presented, address } = seen;
    const gate = this.#gates.of(request, transport, credential);
    const now = this.#clock.now();
    const decision = decide({
      presented,
      credential,
      now: this.#validityClock.by(now),
      wall: now,
      address: address ?? "",
      requiredScopes,
      gate,
      current: this.#isCurrentAt(now),
      directed: request === undefined || isDirectedOn(seen, request),
    });
    if (request) this.#use?.count(request, decision, now, address);
    if (!decision.allowed) this.#ended.denied(decision, seen, request);
    return gate?.rates ? { ...decision, rates: gate.rates } : decision;
  }
}

const gone: Denial = {
  allowed: false,
  code: "STATUS_UNAVAILABLE",
  fingerprint: undefined,
  account: undefined,
};
