import type { Credential } from "../domain/decision.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";
import type { Clock, Logger } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import type { ConnectionRegistry } from "./connection-registry.ts";
import type { CredentialIndex } from "./credential-index.ts";
import type { TrustedCas } from "./trusted-cas.ts";

/** Of more certificates than these, the log has their number only. */
const MOST_NAMED = 100;

interface Parts {
  readonly index: CredentialIndex;
  readonly trust: TrustedCas;
  readonly connections: ConnectionRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Takes what has changed in the database into memory, and ends the connections that may not go on. */
export class StandingChanges {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @returns how many connections each change has ended, by its sequence */
  async apply(changes: readonly Change[]): Promise<ReadonlyMap<number, number>> {
    const { index, trust } = this.#parts;
    await index.apply(changes);
    if (changes.some(({ action }) => action === "issuer.install")) await trust.readAnew();
    return new Map(changes.map((change) => [change.sequence, this.#endConnections(change)]));
  }

  /** From a database that went back. Who is revoked stays so, and who is on record no more is cut off. */
  async loadAnew(): Promise<void> {
    const { index, trust, connections, clock, logger } = this.#parts;
    const lost = await index.loadAnew(clock.now());
    if (lost.length > 0) {
      logger.error(
        { count: lost.length, fingerprints: lost.slice(0, MOST_NAMED) },
        "the database has lost these revocations: they are refused here until this server stops, and nowhere else. Revoke them again",
      );
    }
    await trust.readAnew();
    for (const fingerprint of connections.credentials)
      this.end(fingerprint, index.get(fingerprint) ?? (await index.fetch(fingerprint)));
  }

  /** Ends what a credential may have open no more, whatever has changed. */
  end(fingerprint: Fingerprint, credential: Credential | undefined): void {
    const { connections } = this.#parts;
    if (!credential || credential.status === "revoked") connections.end(fingerprint);
    else if (credential.status === "suspended" || credential.account.status === "suspended")
      connections.endStreams(fingerprint);
  }

  /** @returns how many */
  #endConnections({ action, subject }: Change): number {
    const { connections } = this.#parts;
    if (action === "certificate.revoke") return connections.end(subject as Fingerprint);
    if (action === "certificate.suspend") return connections.endStreams(subject as Fingerprint);
    return action === "account.suspend" ? connections.endStreamsOf(subject as Slug) : 0;
  }
}
