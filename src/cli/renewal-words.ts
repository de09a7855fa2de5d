import type { Fingerprint } from "../domain/identifiers.ts";
import type { Stores } from "../domain/ports.ts";
import type { RenewalRecord } from "../domain/renewal.ts";
import { formatTime } from "../domain/time.ts";

/** What certificates were renewed from and to, as `list` and `show` give it. */
export async function renewalsOf(
  { renewals }: Pick<Stores, "renewals">,
  fingerprints: readonly Fingerprint[],
) {
  const to = new Map((await renewals.byPredecessors(fingerprints)).map((one) => [one.predecessor, one]));
  const from = new Map((await renewals.bySuccessors(fingerprints)).map((one) => [one.successor, one]));
  return (fingerprint: Fingerprint) => shownRenewal(to.get(fingerprint), from.get(fingerprint));
}

/** `retiresAt` as long as that is to come. */
function shownRenewal(to: RenewalRecord | undefined, from: RenewalRecord | undefined) {
  const { successor, retireAt, retiredAt } = to ?? {};
  const isToCome = retireAt !== undefined && retiredAt === undefined;
  return {
    renews: from?.predecessor,
    renewedBy: successor,
    retiresAt: isToCome ? formatTime(retireAt) : undefined,
  };
}

/** The same, as people read it. */
export function renewalFields({ renews, renewedBy, retiresAt }: ReturnType<typeof shownRenewal>) {
  return { Renews: renews, "Renewed by": renewedBy, Retires: retiresAt };
}
