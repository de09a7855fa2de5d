import { X509Certificate } from "node:crypto";
import { Allowances } from "../../src/domain/allowances.ts";
import type { Decision } from "../../src/domain/decision.ts";
import type { DenialCode } from "../../src/domain/errors.ts";
import type { Fingerprint } from "../../src/domain/identifiers.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";
import { type Scope, parseSlug } from "../../src/domain/names.ts";
import type { Database } from "../../src/domain/ports.ts";
import type { Profile } from "../../src/domain/profile.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { DAY, HOUR, type Instant } from "../../src/domain/time.ts";
import { describeLeaf } from "../../src/enforce/presented-certificate.ts";
import {
  ENDED_CALLERS,
  type RenewalParts,
  type RenewalRequest,
  renew,
} from "../../src/services/issue/renew.ts";
import {
  type TestIssuing,
  clientProfile,
  enrolRecord,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
  onDatabase,
} from "./issuing.ts";

export const OVERLAP = HOUR;
export const AFTER_EXPIRY = 7 * DAY;
/** Of this profile, what has ended may still be renewed. */
export const lateProfile: Profile = {
  ...clientProfile,
  name: parseSlug("late"),
  renewal: { overlap: OVERLAP, afterExpiry: AFTER_EXPIRY },
};
export const modernProfile: Profile = { ...clientProfile, name: parseSlug("modern"), keyTypes: ["ed25519"] };
const profiles = new Map(
  [clientProfile, lateProfile, modernProfile].map((profile) => [profile.name, profile]),
);

export type Renewing = TestIssuing & RenewalParts & { readonly alarms: object[] };

/** A CA that renews; `alarms` are those that were to be waited for. */
export async function makeRenewing(database: Database): Promise<Renewing> {
  const issuing = await makeIssuing(database, profiles);
  const issuer = new X509Certificate(issuing.issuer.der);
  const alarms: object[] = [];
  return {
    ...issuing,
    alarms,
    endedCallers: new Allowances(issuing.clock, ENDED_CALLERS),
    present(der) {
      const leaf = new X509Certificate(der);
      const isOurs = leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
      return describeLeaf(leaf, isOurs ? undefined : "other", () => false);
    },
    applied(changes) {
      alarms.push(changes);
      return Promise.resolve();
    },
  };
}

/** The same CA in another process: a connection of its own. */
export async function secondNode(parts: Renewing, open: () => Promise<Database>): Promise<Renewing> {
  return { ...parts, ...onDatabase(await open(), parts.clock) };
}

/** A credential that begins a line. */
export async function firstOfLine(
  parts: Renewing,
  wanted: { profile?: Profile; scopes?: readonly Scope[]; keyType?: KeyType } = {},
): Promise<CertificateRecord> {
  const { profile = clientProfile, scopes, keyType } = wanted;
  const account = await freshAccount(parts);
  const { token } = await freshToken(parts, account, { profile, ...(scopes && { scopes }) });
  return enrolRecord(parts, { token, csr: await makeCsr(keyType) });
}

/** What the decision says of a credential that is let through. */
export function letThrough({
  fingerprint,
  serial,
  issuerId,
  account,
  notAfter,
}: CertificateRecord): Decision {
  const slug = account ?? parseSlug("nobody");
  return {
    allowed: true,
    caller: { fingerprint, serial, issuer: issuerId, account: slug, scopes: [], notAfter },
  };
}

export function denied({ fingerprint, account }: CertificateRecord, code: DenialCode): Decision {
  return { allowed: false, code, fingerprint, account };
}

/** Asks for a renewal as the credential, and returns what is on record then. */
export async function renewAs(
  parts: Renewing,
  record: CertificateRecord,
  csr: Uint8Array,
  asked: Partial<Omit<RenewalRequest, "read">> & { readonly notAfter?: Instant } = {},
): Promise<CertificateRecord> {
  const { notAfter, ...caller } = { decision: letThrough(record), address: "192.0.2.1", ...asked };
  return (await renew(parts, { ...caller, read: () => ({ csr, notAfter }) })).record;
}

/** How a certificate stands now. */
export async function standingOf(
  { database }: { readonly database: Database },
  fingerprint: Fingerprint,
): Promise<string> {
  const record = await database.certificates.byFingerprint(fingerprint);
  if (!record) return "not on record";
  return record.reason === undefined ? record.status : `${record.status}: ${record.reason}`;
}
