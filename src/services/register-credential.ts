import { Refusal } from "../domain/errors.ts";
import type { Scope, Slug } from "../domain/names.ts";
import { parseSlug } from "../domain/names.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { Account, CertificateRecord, IssuerRecord } from "../domain/records.ts";
import { requireAccount, requireScopesOf } from "./accounts.ts";
import { recordIssuer } from "./issuers.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/** What is registered: a certificate of another CA, whose signature and contents were checked. */
export type Registrable = Pick<
  CertificateRecord,
  "fingerprint" | "serial" | "spkiHash" | "keyType" | "notBefore" | "notAfter" | "der"
> & { readonly issuer: IssuerRecord };

/** What stands in a profile's place in the records. */
const REGISTERED = parseSlug("registered");

/**
 * Puts another CA's certificate on record as an account's credential.
 *
 * @param scopes narrow the account's; `undefined` leaves all of them
 * @returns the change's sequence number.
 * @throws Refusal NOT_FOUND, SCOPE_INVALID, CREDENTIAL_EXISTS, KEY_BLOCKED, KEY_IN_USE.
 */
export function registerCredential(
  database: Database,
  mutation: Mutation,
  credential: Registrable,
  grant: { readonly account: Slug; readonly scopes: readonly Scope[] | undefined },
): Promise<number> {
  return database.transaction(async (stores) => {
    const account = await requireAccount(stores, grant.account);
    requireScopesOf(account, grant.scopes);
    await requireNew(stores, credential);
    await requireFreeKey(stores, credential, account);
    const { issuer, fingerprint, ...rest } = credential;
    const now = mutation.clock.now();
    const known = (await stores.issuers.foreign()).some(({ id }) => id === issuer.id);
    if (!known) await recordIssuer(stores, mutation, issuer);
    const { spkiHash, keyType } = credential;
    await stores.keys.bind([{ spkiHash, keyType, accountId: account.id, seenAt: now }]);
    const common = { ...rest, issuerId: issuer.id, accountId: account.id, profile: REGISTERED };
    await stores.certificates.intend([{ ...common, createdAt: now }]);
    await stores.certificates.insert([
      {
        ...{ ...common, fingerprint, account: account.slug, scopes: grant.scopes, issuedAt: now },
        ...{
          limits: undefined,
          status: "active",
          statusAt: undefined,
          reason: undefined,
          invalidityAt: undefined,
        },
        ...{ statusBy: undefined, note: undefined },
      },
    ]);
    const { serial } = credential;
    const detail = { account: account.slug, serial, issuer: issuer.id, scopes: grant.scopes };
    return recordChange(stores, mutation, "certificate.register", fingerprint, detail);
  });
}

async function requireNew(stores: Stores, { fingerprint, serial, issuer }: Registrable): Promise<void> {
  if (await stores.certificates.byFingerprint(fingerprint)) throw new Refusal("CREDENTIAL_EXISTS");
  const sameSerial = await stores.certificates.bySerials([serial]);
  if (sameSerial.some(({ issuerId }) => issuerId === issuer.id)) {
    throw new Refusal("CREDENTIAL_EXISTS", "A certificate with this CA's same serial number is on record.");
  }
}

async function requireFreeKey(
  stores: Stores,
  { spkiHash, issuer }: Registrable,
  account: Account,
): Promise<void> {
  const [key] = await stores.keys.byHashes([spkiHash]);
  if (key?.blockedAt !== undefined) throw new Refusal("KEY_BLOCKED");
  const own = await stores.issuers.list();
  if (own.some((ours) => ours.spkiHash === issuer.spkiHash)) {
    throw new Refusal("CREDENTIAL_INVALID", "The CA that signed it is our own: enrol it instead.");
  }
  const cas = [...own, ...(await stores.issuers.foreign()), issuer];
  const isTaken = key !== undefined && key.accountId !== account.id;
  if (isTaken || cas.some((ca) => ca.spkiHash === spkiHash)) throw new Refusal("KEY_IN_USE");
}
