import type { Counter, Registry } from "prom-client";
import type { Config } from "../config.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import type { AdmissionParts } from "../enforce/admission.ts";
import type { Authenticator } from "../enforce/authenticator.ts";
import { forwardAuth, isForwardAuth } from "../enforce/gateway/forward-auth.ts";
import { Gateway } from "../enforce/gateway/gateway.ts";
import { isOwn, ownRoutes } from "../enforce/own-routes.ts";
import { pathOf } from "../enforce/request-target.ts";
import type { UseRecorder } from "../enforce/use-recorder.ts";
import { loadGateway } from "../home/gateway.ts";
import { registerGatewayMetrics } from "../http/gateway-metrics.ts";
import { RouteReloading } from "./route-reloading.ts";

interface RoutingParts {
  readonly config: Config;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly use: Pick<UseRecorder, "deniedLater">;
  readonly metrics: { readonly registry: Registry; readonly decisions: Counter<"code"> };
}

export interface Routing {
  /** What the enforcement listener is to have of it. */
  readonly entrances: ReturnType<Gateway["entrances"]> & Required<Pick<AdmissionParts, "onDecision">>;
  /** Reads routes and upstreams again; bad ones change nothing, and the log says why. */
  reload(): void;
  /** What is missing before calls can be answered; nothing when all is well. */
  unreadiness(): string | undefined;
  stop(): Promise<void>;
}

/**
 * Puts together all that the enforcement listener answers: `/whoami`, proxies that ask, and the routes of config.json.
 *
 * @throws Refusal CONFIG_INVALID
 */
export function startRouting({ config, authenticator, logger, use, metrics }: RoutingParts): Routing {
  const gateway = new Gateway(
    {
      ...{ authenticator, logger, limits: config.limits, stopwatch: () => performance.now() },
      isOwn: (request) => isOwn(request) || isForwardAuth(request, config.forwardAuth),
      onCall: (call) => {
        counted.onCall(call);
      },
      onRefused: (request, caller, code) => {
        metrics.decisions.inc({ code });
        use.deniedLater(request, caller, code);
      },
    },
    loadGateway(config),
  );
  const counted = registerGatewayMetrics(metrics.registry, {
    open: () => gateway.open,
    down: () => gateway.down,
  });
  const reloading = new RouteReloading(gateway, config, logger);
  const { forwardAuth: settings } = config;
  const onDenied = (code: ErrorCode): void => {
    metrics.decisions.inc({ code });
  };
  const behindOwn = settings
    ? forwardAuth({ authenticator, logger, settings, onDenied }, gateway.handle)
    : gateway.handle;
  return {
    entrances: {
      ...gateway.entrances(ownRoutes(behindOwn)),
      routeOf(request) {
        const isAnsweredHere = isOwn(request) || isForwardAuth(request, settings);
        return isAnsweredHere ? pathOf(request) : gateway.routeOf(request);
      },
      onDecision(code, request, account) {
        metrics.decisions.inc({ code });
        const route = code === "ALLOWED" || !request ? undefined : gateway.routeOf(request);
        if (route !== undefined) counted.onDenied({ route, account, code });
      },
    },
    reload: () => {
      reloading.reload();
    },
    unreadiness() {
      if (!authenticator.isCurrent) return "the database does not answer";
      return gateway.down.length === 0 ? undefined : `not well: ${gateway.down.join(", ")}`;
    },
    stop() {
      reloading.stop();
      return gateway.close();
    },
  };
}
