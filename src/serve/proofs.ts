import { Refusal } from "../domain/errors.ts";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import { listenerFaults } from "../enforce/self-test.ts";
import type { HomeIssuers } from "../home/issuers.ts";
import { LastSeenKeeper, readLastSeen, salvageLastSeen } from "../home/last-seen.ts";
import { mintTrials, signerFaults } from "../home/self-test.ts";
import { acceptOlderState, lastSeenOf, requireSameHistory } from "../services/older-state.ts";

/**
 * Whether the database is the one that was seen before, or a later one; keeps in the home how far it has come.
 *
 * @param accepting who goes on with one that is older: on record first, and then in the home, so that whoever is killed in
 *   between does it again
 * @throws Refusal STATE_WENT_BACK.
 */
export async function keepHistory(
  parts: { readonly database: Database; readonly clock: Clock; readonly logger: Logger },
  home: string,
  accepting: { readonly actor: string } | undefined,
): Promise<LastSeenKeeper> {
  const { database, clock, logger } = parts;
  const keeper = new LastSeenKeeper(home, logger);
  if (accepting) {
    const accepted = await acceptOlderState(database, { clock, ...accepting }, salvageLastSeen(home));
    keeper.reset(await lastSeenOf(database));
    logger.warn(accepted, "an older state of the database was accepted; open tokens are void");
  } else {
    await requireSameHistory(database, readLastSeen(home));
  }
  const newest = await database.changes.newest();
  keeper.onChanges(newest ? [newest] : []);
  return keeper;
}

/**
 * Nothing listens before it is proved that who is to be refused is refused, and that what is signed verifies.
 *
 * @throws Refusal SELF_TEST_FAILED.
 */
export async function selfTest(issuers: HomeIssuers, clock: Clock): Promise<void> {
  const faults = await signerFaults(issuers.opened);
  try {
    faults.push(...(await listenerFaults(await mintTrials(clock), clock)));
  } catch (error) {
    throw new Refusal("SELF_TEST_FAILED", undefined, String(error));
  }
  if (faults.length > 0) throw new Refusal("SELF_TEST_FAILED", `The self-test failed: ${faults.join("; ")}.`);
}
