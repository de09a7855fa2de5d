import { Refusal } from "./domain/errors.ts";
import type { Logger } from "./domain/ports.ts";
import { Authenticator } from "./enforce/authenticator.ts";
import { type Doors, openDoors } from "./enforce/doors.ts";
import { UseRecorder } from "./enforce/use-recorder.ts";
import { type EnforcerOptions, openEnforcerState } from "./home/enforcer-state.ts";
import { processIdentity, systemClock, systemSteadyClock } from "./home/open.ts";
import { foreignAnchors } from "./home/trust.ts";
import { TrustCrls } from "./serve/trust-crls.ts";
import { UseWriter } from "./services/record-use.ts";

export type { Caller, Decision, Denial } from "./domain/decision.ts";
export type { DenialCode } from "./domain/errors.ts";
export type { Limits } from "./domain/limits.ts";
export type { Logger } from "./domain/ports.ts";
export type { Doors, ServerSettings } from "./enforce/doors.ts";
export type { Middleware } from "./enforce/express.ts";
export type { FastifyPlugin } from "./enforce/fastify.ts";
export type { Handler, OpenHandler } from "./enforce/listener.ts";
export type { OpenPath } from "./enforce/open-paths.ts";
export type { TlsCertificate } from "./enforce/tls.ts";
export type { UpgradeHandler } from "./enforce/upgrade.ts";
export type { EnforcerOptions } from "./home/enforcer-state.ts";

/** Decides who may call a service in this process, by the same rules and records as `countersign serve`. */
export interface Enforcer extends Doors {
  /** Lets go of the database. Close the servers first. */
  close(): Promise<void>;
}

const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * Opens the records of a CA and follows them: a revocation takes hold within 250 ms, open connections included. What
 * credentials are used for is written there, every 10 seconds and by `close()`: the database has to be one that this process
 * may write.
 *
 * @example
 * const enforcer = await createEnforcer({ home: "./ca" });
 * const server = enforcer.createServer((request, response, caller) => {
 *   response.end(`hello ${caller.account}\n`);
 * }, { cert, key });
 * server.listen(9443);
 *
 * @param options a `home`; or a `databaseUrl` and whom to `trust`, for a machine without one
 * @throws Error with a stable `code`: CONFIG_INVALID for options that cannot be, and on a Node below 24.8; HOME_MISSING,
 * FILE_UNREADABLE, UNAVAILABLE, STATE_WENT_BACK.
 */
export async function createEnforcer(options: EnforcerOptions): Promise<Enforcer> {
  requireNode(process.versions.node);
  const logger = (options as Partial<EnforcerOptions> | undefined)?.logger ?? silent;
  const { database, resumption, limits, trusted } = await openEnforcerState(options, logger);
  const clock = systemClock;
  try {
    const identity = processIdentity();
    const use = new UseRecorder();
    const authenticator = await Authenticator.start({
      ...{ database, clock, logger, identity, use, foreignAnchors: foreignAnchors(trusted) },
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
      ...openDoors({ authenticator, logger, resumption, limits }),
      async close() {
        await trustCrls.stop();
        await authenticator.close();
        await useWriter.stop();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** An older one lacks the key exchange that servers are made with: OpenSSL would say so at the first, in its own words. */
function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 8)) return;
  throw new Refusal("CONFIG_INVALID", `countersign needs Node 24.8 or newer; this is ${version}.`);
}
