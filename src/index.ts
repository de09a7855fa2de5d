import type { Http2SecureServer } from "node:http2";
import type { Server } from "node:https";
import { parseGatewayConfig } from "./config-routes.ts";
import { Refusal } from "./domain/errors.ts";
import { withLimits } from "./domain/limits.ts";
import type { Logger } from "./domain/ports.ts";
import { requireOptions } from "./enforce/check-options.ts";
import { type Doors, type ServerSettings, openDoors } from "./enforce/doors.ts";
import { Gateway, type GatewaySettings } from "./enforce/gateway/gateway.ts";
import { createEnforceListener } from "./enforce/listener.ts";
import type { TlsCertificate } from "./enforce/tls.ts";
import type { EnforcerOptions } from "./home/enforcer-state.ts";
import { loadGateway, upstreamFileFaults } from "./home/gateway.ts";
import { startEnforcing } from "./serve/enforcing.ts";

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
  /**
   * A server that lets callers on to the services behind it, and tells those who is calling (docs/gateway.md).
   *
   * @param settings `upstreams` and `routes`, as in config.json; files are looked for from the working directory
   * @param options `http2`, `refuseInTls`, `resumption`, `limits`
   * @throws Error with code CONFIG_INVALID, naming every fault
   */
  createGateway(
    settings: object,
    certificate: TlsCertificate,
    options?: Omit<ServerSettings, "open">,
  ): GatewayServer;
  /** Lets go of the database. Close the servers first. */
  close(): Promise<void>;
}

/** A gateway that was made by `createGateway`. */
export interface GatewayServer {
  readonly server: Server | Http2SecureServer;
  /** Upstreams that are checked, and not well. */
  readonly down: readonly string[];
  /** Takes other routes and upstreams; calls under way go on. What is not fit changes nothing. Throws as `createGateway`. */
  reconfigure(settings: object): void;
  /** Lets go of the upstreams. Close the server first. */
  close(): Promise<void>;
}

const stopwatch = (): number => performance.now();
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
  const enforcing = await startEnforcing(options, logger);
  const { authenticator, resumption, limits } = enforcing;
  return {
    ...openDoors({ authenticator, logger, resumption, limits }),
    createGateway(settings, certificate, options = {}) {
      requireOptions("createGateway()", options, ["http2", "refuseInTls", "resumption", "limits"], {
        certificate,
      });
      const all = withLimits(limits, options.limits ?? {});
      const gateway = new Gateway({ authenticator, logger, limits: all, stopwatch }, readGateway(settings));
      const server = createEnforceListener({
        ...{ authenticator, logger, ...options, certificate, limits: all, ...gateway.entrances() },
        resumption: options.resumption ?? resumption,
      });
      return {
        server,
        get down() {
          return gateway.down;
        },
        reconfigure(next) {
          gateway.reconfigure(readGateway(next));
        },
        close: () => gateway.close(),
      };
    },
    close: () => enforcing.close(),
  };
}

function readGateway(settings: object): GatewaySettings {
  const home = process.cwd();
  const config = parseGatewayConfig(settings, (upstreams) => upstreamFileFaults(home, upstreams));
  return loadGateway({ ...config, home });
}

/** An older one lacks the key exchange that servers are made with: OpenSSL would say so at the first, in its own words. */
function requireNode(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 8)) return;
  throw new Refusal("CONFIG_INVALID", `countersign needs Node 24.8 or newer; this is ${version}.`);
}
