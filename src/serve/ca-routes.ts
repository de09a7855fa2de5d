import { randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import type { Authenticator } from "../enforce/authenticator.ts";
import { type CaAppParts, caApp } from "../http/ca-app.ts";
import { awaitOwn } from "../services/await-followers.ts";
import { KeyCompromiseDesk } from "../services/key-compromise.ts";
import { revokeOwn } from "../services/own-revocation.ts";
import { keyProofs } from "../x509/key-proof.ts";

export interface CaRouteParts extends Pick<CaAppParts, "enrol" | "roots"> {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  /** How this process is known. */
  readonly identity: { readonly pid: number; readonly host: string };
  /** How long an answer waits for this server to apply what it says; milliseconds. */
  readonly patience: number;
}

/** What the CA listener answers, by the services that do it. */
export function caRoutes(parts: CaRouteParts): RequestListener {
  const { database, clock, logger, authenticator, enrol, roots } = parts;
  const compromises = new KeyCompromiseDesk({ database, clock, randomBytes, logger, keys: keyProofs });
  const applied = (changes: { readonly first: number; readonly last: number }): Promise<void> =>
    awaitOwn(parts, parts.identity, changes, parts.patience);
  return caApp({
    ...{ enrol, roots, logger },
    ownRevocation: {
      authorize: async (request, response) => {
        const decision = await authenticator.authorize(request);
        authenticator.connections.answering(request.socket, response);
        return decision;
      },
      revoke: async (caller, id, reason) => {
        const revocation = await revokeOwn(database, clock, caller, id, reason);
        await applied({ first: revocation.first, last: revocation.sequence });
        return revocation;
      },
    },
    keyCompromise: {
      issueNonce: () => compromises.issueNonce(),
      prove: async (proof) => {
        const { revoked, spkiHash, first, last } = await compromises.prove(proof);
        await applied({ first, last });
        return { revoked: revoked.length, spkiHash };
      },
    },
  });
}
