import type { Fingerprint } from "../domain/identifiers.ts";
import type { Stores } from "../domain/ports.ts";

/** The first credential of the line that one belongs to: what was not renewed from another begins one. */
export async function lineOf(
  { renewals }: Pick<Stores, "renewals">,
  fingerprint: Fingerprint,
): Promise<Fingerprint> {
  const [from] = await renewals.bySuccessors([fingerprint]);
  return from?.line ?? fingerprint;
}

/** All that came of the same enrolment as a credential, itself included, whatever has become of it. */
export async function credentialsOfLine(
  stores: Pick<Stores, "renewals">,
  fingerprint: Fingerprint,
): Promise<ReadonlySet<Fingerprint>> {
  const first = await lineOf(stores, fingerprint);
  return new Set([first, ...(await stores.renewals.successorsInLine(first))]);
}
