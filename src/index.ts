import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server, ServerOptions } from "node:https";
import { homeDirectory, readConfigFile, resolveConfig } from "./config.ts";
import type { Decision, Denial } from "./domain/decision.ts";
import { parseScope } from "./domain/names.ts";
import type { Logger } from "./domain/ports.ts";
import { Authenticator } from "./enforce/authenticator.ts";
import { deny } from "./enforce/denial.ts";
import { type Handler, createEnforceListener } from "./enforce/listener.ts";
import { enforceTlsOptions } from "./enforce/tls.ts";
import { readLastSeen } from "./home/last-seen.ts";
import { foreignAnchors, loadTrust } from "./home/trust.ts";
import { TrustCrls } from "./serve/trust-crls.ts";
import { openState, processIdentity, systemClock } from "./home/open.ts";
import { requireSameHistory } from "./services/older-state.ts";

export type { Caller, Decision, Denial } from "./domain/decision.ts";
export type { DenialCode } from "./domain/errors.ts";
export type { Logger } from "./domain/ports.ts";
export type { Handler } from "./enforce/listener.ts";

/** A service's own certificate chain and key, PEM. */
export interface TlsCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Decides who may call a service in this process, by the same rules and records as `countersign serve`. */
export interface Enforcer {
  /**
   * An https server that asks every caller for a certificate; `handler` sees only what was let through. Add no listeners
   * of your own for `request`, `upgrade`, `connect` or `checkContinue`: what they get has not been decided on.
   */
  createServer(handler: Handler, certificate: TlsCertificate): Server;
  /** For `server.setSecureContext()`, to change the certificate: it keeps nothing that it isn't given again. */
  tlsOptions(certificate: TlsCertificate): ServerOptions;
  /** Decides on one request of such a server, also asking for scopes such as `orders:read`. */
  authorize(request: IncomingMessage, ...scopes: string[]): Promise<Decision>;
  /** Answers with what `authorize` refused: a problem document. */
  deny(response: ServerResponse, denial: Denial): void;
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
  const config = resolveConfig(home, {}, process.env, readConfigFile(home));
  const clock = systemClock;
  const trusted = loadTrust(config, clock.now());
  const database = await openState(config);
  try {
    await requireSameHistory(database, readLastSeen(home));
    const identity = processIdentity();
    const authenticator = await Authenticator.start({
      ...{ database, clock, logger, identity, foreignAnchors: foreignAnchors(trusted) },
    });
    const trustCrls = await TrustCrls.start({ authenticator, clock, logger }, trusted).catch(
      async (error: unknown) => {
        await authenticator.close();
        throw error;
      },
    );
    return {
      createServer: (handler, certificate) =>
        createEnforceListener({ authenticator, certificate, logger, handler }),
      tlsOptions: (certificate) => enforceTlsOptions(authenticator, certificate),
      authorize: async (request, ...scopes) => authenticator.authorize(request, scopes.map(parseScope)),
      deny: (response, { code }) => {
        deny(response, code, randomUUID());
      },
      async close() {
        await trustCrls.stop();
        await authenticator.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
