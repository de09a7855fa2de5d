import { Refusal } from "../domain/errors.ts";
import type { Database, Stores } from "../domain/ports.ts";
import type { CrlRecord, IssuerRecord } from "../domain/records.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/** Throws CONFIG_INVALID. */
export async function requireRoot(stores: Stores): Promise<IssuerRecord> {
  const root = (await stores.issuers.list()).find(({ role }) => role === "root");
  if (!root) throw new Refusal("CONFIG_INVALID", "The database lacks the home's root.");
  return root;
}

/**
 * Puts a CRL that was signed elsewhere in place of the one before. Its number must be higher (RFC 5280 §5.2.3), and it
 * must not have ended.
 *
 * @throws Refusal CRL_INVALID.
 */
export function installCrl(
  database: Database,
  mutation: Mutation,
  crl: Omit<CrlRecord, "basis">,
): Promise<CrlRecord> {
  return database.transaction(async (stores) => {
    const latest = await stores.crls.head(crl.issuerId);
    if (latest && latest.number >= crl.number) {
      const fault = `its number, ${String(crl.number)}, is not above ${String(latest.number)}`;
      throw new Refusal("CRL_INVALID", `The CRL cannot be used: ${fault}. Nothing was changed.`);
    }
    if (crl.nextUpdate <= mutation.clock.now()) {
      throw new Refusal("CRL_INVALID", "The CRL cannot be used: it has ended. Nothing was changed.");
    }
    const { number, issuerId } = crl;
    const basis = await recordChange(stores, mutation, "crl.publish", issuerId, { number });
    const record = { ...crl, basis };
    await stores.crls.replace(record);
    return record;
  });
}
