import type { Codec, Issuer, Stores } from "../domain/ports.ts";
import { CRL_LIFE } from "../domain/crl-schedule.ts";
import type { Change, ChangeAction, CrlRecord } from "../domain/records.ts";
import { statusChanges } from "../domain/revocation.ts";
import { wholeSeconds } from "../domain/time.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/**
 * Signs a CRL for an issuer that is new here: the root's, by `init`, or an issuing CA's first. Call it within a transaction,
 * which allocates its number. From then on an issuing CA's are made by `CrlMaker`.
 *
 * @param life milliseconds to nextUpdate
 */
export async function signFirstCrl(
  stores: Stores,
  mutation: Mutation,
  codec: Pick<Codec, "signCrl">,
  issuer: Issuer,
  life = CRL_LIFE,
): Promise<CrlRecord> {
  const thisUpdate = wholeSeconds(mutation.clock.now());
  const nextUpdate = Math.min(thisUpdate + life, issuer.notAfter);
  const number = 1;
  const der = await codec.signCrl(issuer, { number, thisUpdate, nextUpdate, entries: [] });
  const basis = await recordChange(stores, mutation, "crl.publish", issuer.id, { number, entries: 0 });
  const crl: CrlRecord = {
    ...{ issuerId: issuer.id, number, thisUpdate, nextUpdate, basis, der },
    ...{ scheduled: undefined, base: undefined, delta: undefined },
  };
  await stores.crls.replace(crl);
  return crl;
}

/** Whether a change alters what a CRL says. */
export function altersCrl(change: Change): boolean {
  return (statusChanges as readonly ChangeAction[]).includes(change.action);
}
