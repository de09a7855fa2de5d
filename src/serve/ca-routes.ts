import { X509Certificate, randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import { Allowances } from "../domain/allowances.ts";
import type { PresentedCertificate } from "../domain/decision.ts";
import { Refusal } from "../domain/errors.ts";
import type { Fingerprint } from "../domain/identifiers.ts";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import type { Authenticator } from "../enforce/authenticator.ts";
import { addressGroup, withoutMapping } from "../enforce/address-group.ts";
import { addressOf } from "../enforce/transport.ts";
import { type CaAppParts, caApp } from "../http/ca-app.ts";
import { awaitOwn } from "../services/await-followers.ts";
import type { Answer } from "../services/issue/answer.ts";
import type { Asked, Outcome } from "../services/issue/ask.ts";
import { ENDED_CALLERS, type RenewalParts, type RenewalRequest } from "../services/issue/renew.ts";
import { KeyCompromiseDesk } from "../services/key-compromise.ts";
import { revokeOwn } from "../services/own-revocation.ts";
import { keyProofs } from "../x509/key-proof.ts";

export interface CaRouteParts extends Pick<CaAppParts, "enrol" | "roots" | "enforcePort" | "est"> {
  readonly renew: (parts: RenewingParts, wanted: RenewalRequest) => Promise<Answer>;
  /** Takes requests without a token; `undefined` where approval is not turned on. */
  readonly ask: ((asked: Asked) => Promise<Outcome>) | undefined;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  /** How this process is known. */
  readonly identity: { readonly pid: number; readonly host: string };
  /** How long an answer waits for this server to apply what it says; milliseconds. */
  readonly patience: number;
}

type RenewingParts = Pick<RenewalParts, "present" | "applied" | "endedCallers">;

/** What the CA listener answers, by the services that do it. */
export function caRoutes(parts: CaRouteParts): RequestListener {
  const { database, clock, logger, authenticator, enrol, ask, roots, enforcePort, est } = parts;
  const compromises = new KeyCompromiseDesk({ database, clock, randomBytes, logger, keys: keyProofs });
  const applied = (changes: { readonly first: number; readonly last: number }): Promise<void> =>
    awaitOwn(parts, parts.identity, changes, parts.patience);
  const endedCallers = new Allowances<Fingerprint>(clock, ENDED_CALLERS);
  const present = (der: Uint8Array): PresentedCertificate =>
    authenticator.presentOwn(new X509Certificate(der), clock.now());
  return caApp({
    ...{ roots, enforcePort, est, logger },
    enrol: ({ address, ...enrolment }) =>
      enrol({ ...enrolment, address: address === undefined ? undefined : withoutMapping(address) }),
    ask:
      ask &&
      (({ address = "unknown", ...asked }) =>
        ask({ ...asked, address: withoutMapping(address), addressGroup: addressGroup(address) })),
    ownRenewal: {
      authorize: async (request, response) => {
        const decision = await authenticator.authorizeRenewal(request);
        authenticator.answering(request, response);
        return { decision, address: addressOf(request) };
      },
      renew: (wanted) => parts.renew({ present, applied, endedCallers }, wanted),
    },
    ownRevocation: {
      authorize: async (request, response) => {
        const decision = await authenticator.authorize(request);
        authenticator.answering(request, response);
        return decision;
      },
      revoke: async (caller, id, reason) => {
        const { fingerprint, account } = caller;
        const revocation = await revokeOwn(database, clock, caller, id, reason).catch((error: unknown) => {
          const code = error instanceof Refusal ? error.code : "INTERNAL";
          logger.info({ code, fingerprint, account, id }, "a credential's own revocation was refused");
          throw error;
        });
        await applied({ first: revocation.first, last: revocation.sequence });
        logger.info({ fingerprint, account, reason }, "a credential has revoked itself");
        return revocation;
      },
    },
    keyCompromise: {
      issueNonce: () => compromises.issueNonce(),
      prove: async (proof) => {
        const { revoked, spkiHash, first, last } = await compromises.prove(proof);
        await applied({ first, last });
        logger.info(
          { spkiHash, revoked: revoked.length },
          "a key was proved to be compromised, and is blocked",
        );
        return { revoked: revoked.length, spkiHash };
      },
    },
  });
}
