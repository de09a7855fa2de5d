import type { Caller } from "../domain/decision.ts";
import { Refusal } from "../domain/errors.ts";
import { type CertificateId, parseCertificateId } from "../domain/identifiers.ts";
import type { Clock, Database, Stores } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import { holdersReasons, parseReason } from "../domain/revocation.ts";
import { type Revocation, revoke } from "./revocation.ts";

/**
 * A credential ends itself.
 *
 * @param caller who it is, by the decision on its request
 * @param id the certificate that it names: its own fingerprint or serial
 * @throws Refusal NOT_OWN_CREDENTIAL for any other, whether there is one or not; REASON_UNKNOWN, ALREADY_REVOKED;
 * CERT_SUSPENDED and ACCOUNT_SUSPENDED, also when the decision did not know of that yet.
 */
export async function revokeOwn(
  database: Database,
  clock: Clock,
  caller: Pick<Caller, "fingerprint" | "serial">,
  id: string,
  reason: string,
): Promise<Revocation> {
  const { fingerprint, serial } = caller;
  const named = read(id);
  const isOwn =
    named && ("fingerprint" in named ? named.fingerprint === fingerprint : named.serial === serial);
  if (!isOwn) throw new Refusal("NOT_OWN_CREDENTIAL");
  const parsed = parseReason(reason, holdersReasons);
  const mutation = { clock, actor: `credential:${fingerprint}` };
  return revoke(database, mutation, { fingerprint }, parsed, {}, requireInGoodStanding);
}

/** Whether what is suspended comes back is for an admin to say: its holder, or who has its key, cannot make it final. */
async function requireInGoodStanding(
  stores: Stores,
  { status, accountId }: CertificateRecord,
): Promise<void> {
  if (status !== "active") throw new Refusal("CERT_SUSPENDED");
  const [account] = await stores.accounts.byIds(accountId === undefined ? [] : [accountId]);
  if (account?.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
}

function read(id: string): CertificateId | undefined {
  try {
    return parseCertificateId(id);
  } catch {
    return undefined; // a number that can't be a serial
  }
}
