import { Refusal } from "../domain/errors.ts";
import type { Slug } from "../domain/names.ts";
import type { Codec, Database, Issuer, Stores } from "../domain/ports.ts";
import type { Profile } from "../domain/profile.ts";
import type { IssuerRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";
import { signFirstCrl } from "./crl.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/** Puts a CA on record, our own or another. Its key is a CA's from now on, and no account's. */
export async function recordIssuer(stores: Stores, { clock }: Mutation, issuer: IssuerRecord): Promise<void> {
  const { spkiHash, keyType } = issuer;
  await stores.keys.bind([{ spkiHash, keyType, accountId: undefined, seenAt: clock.now() }]);
  await stores.issuers.insert(issuer);
}

/**
 * Takes a further issuing CA into service, with its first CRL: from now on it is trusted, and profiles may name it.
 *
 * @returns the change's sequence number.
 * @throws Refusal ISSUER_EXISTS, KEY_IN_USE, KEY_BLOCKED.
 */
export function installIssuer(
  database: Database,
  mutation: Mutation,
  codec: Pick<Codec, "signCrl">,
  record: IssuerRecord,
  issuer: Issuer,
): Promise<number> {
  return database.transaction(async (stores) => {
    const others = await stores.issuers.list();
    if (others.some(({ name, id }) => name === record.name || id === record.id)) {
      throw new Refusal("ISSUER_EXISTS");
    }
    const [known] = await stores.keys.byHashes([record.spkiHash]);
    if (known) throw new Refusal(known.blockedAt === undefined ? "KEY_IN_USE" : "KEY_BLOCKED");
    await recordIssuer(stores, mutation, record);
    await signFirstCrl(stores, mutation, codec, issuer);
    const { name, keyType } = record;
    return recordChange(stores, mutation, "issuer.install", record.id, { name, keyType });
  });
}

/**
 * Ends an issuing CA's work: it signs no more certificates, and stays trusted, with a CRL, until they have all ended.
 *
 * @param profiles those of the home
 * @returns the change's sequence number.
 * @throws Refusal NOT_FOUND, STATE_UNCHANGED, ISSUER_NEEDED.
 */
export function retireIssuer(
  database: Database,
  mutation: Mutation,
  name: Slug,
  profiles: ReadonlyMap<string, Profile>,
): Promise<number> {
  return database.transaction(async (stores) => {
    const issuer = await requireIssuerNamed(stores, name);
    if (issuer.status === "retired") throw new Refusal("STATE_UNCHANGED", `'${name}' is retired already.`);
    const users = [...profiles.values()].filter((profile) => profile.issuer === name);
    if (users.length > 0) {
      const names = users.map((profile) => profile.name).join(", ");
      throw new Refusal("ISSUER_NEEDED", `These profiles still name '${name}': ${names}. Change them first.`);
    }
    await stores.issuers.retire(issuer.id);
    return recordChange(stores, mutation, "issuer.retire", issuer.id, { name });
  });
}

/** Throws NOT_FOUND, naming the issuer. */
export async function requireIssuerNamed(stores: Stores, name: Slug): Promise<IssuerRecord> {
  const issuers = await stores.issuers.list();
  const found = issuers.find((issuer) => issuer.name === name && issuer.role === "issuing");
  if (!found) throw new Refusal("NOT_FOUND", `There is no issuing CA '${name}'.`);
  return found;
}

/** By its name, or its id as CRLs have it. Throws NOT_FOUND. */
export async function requireIssuer(stores: Stores, named: Slug): Promise<IssuerRecord> {
  const byId = (await stores.issuers.list()).find(
    ({ id, role }) => id === String(named) && role === "issuing",
  );
  return byId ?? requireIssuerNamed(stores, named);
}

/** Whether a third or less of a CA's life is left: time for the next one, whose certificates must outlive this one's. */
export function isNearEnd({ notBefore, notAfter }: IssuerRecord, now: Instant): boolean {
  return notAfter - now <= (notAfter - notBefore) / 3;
}
