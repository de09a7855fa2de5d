import { homeDirectory, readConfigFile, resolveConfig } from "./config.ts";
import type { Logger } from "./domain/ports.ts";
import { Authenticator } from "./enforce/authenticator.ts";
import { type Doors, openDoors } from "./enforce/doors.ts";
import { readLastSeen } from "./home/last-seen.ts";
import { openState, processIdentity, systemClock } from "./home/open.ts";
import { requireSameHistory } from "./services/older-state.ts";

export type { Caller, Decision, Denial } from "./domain/decision.ts";
export type { DenialCode } from "./domain/errors.ts";
export type { Logger } from "./domain/ports.ts";
export type { Doors } from "./enforce/doors.ts";
export type { Middleware } from "./enforce/express.ts";
export type { FastifyPlugin } from "./enforce/fastify.ts";
export type { Handler, ListenerOptions, OpenHandler } from "./enforce/listener.ts";
export type { OpenPath } from "./enforce/open-paths.ts";
export type { TlsCertificate } from "./enforce/tls.ts";
export type { UpgradeHandler } from "./enforce/upgrade.ts";

/** Decides who may call a service in this process, by the same rules and records as `countersign serve`. */
export interface Enforcer extends Doors {
  /** Lets go of the database. Close the servers first. */
  close(): Promise<void>;
}

const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * Opens a home's records and follows them: a revocation takes hold within 250 ms, open connections included.
 *
 * @example
 * const enforcer = await createEnforcer({ home: "./ca" });
 * const server = enforcer.createServer((request, response, caller) => {
 *   response.end(`hello ${caller.account}\n`);
 * }, { cert, key });
 * server.listen(9443);
 *
 * @param options.home an initialised home; its database is used, its keys are not
 * @param options.logger where denials and faults go, such as a pino logger (nowhere)
 * @throws Error with a stable `code`: HOME_MISSING, CONFIG_INVALID, FILE_UNREADABLE, UNAVAILABLE, STATE_WENT_BACK.
 */
export async function createEnforcer(options: {
  readonly home: string;
  readonly logger?: Logger;
}): Promise<Enforcer> {
  const { logger = silent } = options;
  const home = homeDirectory(options.home, process.env);
  const database = await openState(resolveConfig(home, {}, process.env, readConfigFile(home)));
  try {
    await requireSameHistory(database, readLastSeen(home));
    const identity = processIdentity();
    const authenticator = await Authenticator.start({ database, clock: systemClock, logger, identity });
    return {
      ...openDoors({ authenticator, logger }),
      async close() {
        await authenticator.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
