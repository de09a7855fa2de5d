import type { Logger } from "../domain/ports.ts";
import type { AccountCounts } from "../enforce/account-counts.ts";
import { Authenticator } from "../enforce/authenticator.ts";
import { UseRecorder } from "../enforce/use-recorder.ts";
import { type EnforcerOptions, type EnforcerState, openEnforcerState } from "../home/enforcer-state.ts";
import { processIdentity, systemClock, systemSteadyClock } from "../home/open.ts";
import { foreignAnchors } from "../home/trust.ts";
import { UseWriter } from "../services/record-use.ts";
import { retiredUseAlone } from "./renewals.ts";
import { TrustCrls } from "./trust-crls.ts";

/** The decision, in a process that issues nothing. */
export interface Enforcing extends Pick<EnforcerState, "resumption" | "limits"> {
  readonly authenticator: Authenticator;
  readonly use: UseRecorder;
  /** Lets go of the database. */
  close(): Promise<void>;
}

/**
 * Opens the records of a CA, and follows them.
 *
 * @param accounts where requests are counted by account
 * @throws Refusal as `openEnforcerState`; nothing is left open then
 */
export async function startEnforcing(
  options: EnforcerOptions,
  logger: Logger,
  accounts?: AccountCounts,
): Promise<Enforcing> {
  const { database, resumption, limits, trusted } = await openEnforcerState(options, logger);
  const clock = systemClock;
  try {
    const use = new UseRecorder(accounts);
    const retiredUse = retiredUseAlone({ database, clock, logger, use });
    const authenticator = await Authenticator.start({
      ...{ database, clock, logger, use, identity: processIdentity() },
      foreignAnchors: foreignAnchors(trusted),
      onEnded: (ended) => {
        retiredUse.saw(ended);
      },
      validityClock: systemSteadyClock(),
    });
    const trustCrls = await TrustCrls.start({ authenticator, clock, logger }, trusted).catch(
      async (error: unknown) => {
        await authenticator.close();
        throw error;
      },
    );
    const useWriter = new UseWriter({ source: use, store: database.uses, logger });
    return {
      ...{ authenticator, use, resumption, limits },
      async close() {
        await trustCrls.stop();
        await authenticator.close();
        await retiredUse.stop();
        await useWriter.stop();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
