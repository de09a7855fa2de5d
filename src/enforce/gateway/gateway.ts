import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Caller } from "../../domain/decision.ts";
import type { GatewayCode } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Scope } from "../../domain/names.ts";
import type { Logger } from "../../domain/ports.ts";
import type { Route } from "../../domain/route.ts";
import type { UpstreamSettings } from "../../domain/upstream.ts";
import type { Handler } from "../admission.ts";
import { withoutMapping } from "../address-group.ts";
import type { Authenticator } from "../authenticator.ts";
import { logDenial } from "../denial-log.ts";
import { deny, denyUpgrade } from "../denial.ts";
import type { EnforceListenerParts } from "../listener.ts";
import { type Incoming, addressOf } from "../transport.ts";
import { type CallFields, callFields, logCall } from "./access-log.ts";
import { Destinations, type Refused, type Routed } from "./destinations.ts";
import { type Outcome, forward, hasBody } from "./forward.ts";
import { forwardUpgrade } from "./forward-upgrade.ts";
import { identityHeaders } from "./identity-headers.ts";
import { certificateHeaders } from "./peer-identity.ts";
import { OpenCalls } from "./open-calls.ts";
import { endToEnd } from "./request-headers.ts";
import { Upstream } from "./upstream.ts";

export interface GatewaySettings {
  readonly upstreams: readonly UpstreamSettings[];
  /** Without faults: each has its upstream. */
  readonly routes: readonly Route[];
}

/** A call that is over; milliseconds and octets. */
export interface Call {
  readonly route: string;
  readonly account: string;
  readonly status: number;
  readonly code: Outcome["code"];
  readonly duration: number;
  readonly received: number;
  readonly sent: number;
}

export interface GatewayParts {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly limits: Limits;
  /** What is answered before the gateway has it, or by nobody: no route is looked for. */
  readonly isOwn?: ((request: Incoming) => boolean) | undefined;
  /** Milliseconds since whenever. */
  readonly stopwatch: () => number;
  /** Told of every call that was let through and had a route, when it is over. */
  readonly onCall?: ((call: Call) => void) | undefined;
  /** Told of every call that was let through and is refused here. */
  readonly onRefused?: ((request: Incoming, caller: Caller, code: GatewayCode) => void) | undefined;
}

type GatewayEntrances = Required<
  Pick<EnforceListenerParts, "handler" | "upgrade" | "scopesOf" | "limitsOf" | "routeOf">
>;

/** Lets callers that were let through on to the upstream of their route, and tells it who they are. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #destinations: Destinations;
  readonly #open = new OpenCalls();
  #upstreams = new Map<string, Upstream>();

  constructor(parts: GatewayParts, settings: GatewaySettings) {
    this.#parts = parts;
    this.#destinations = new Destinations(parts.isOwn ?? (() => false));
    this.reconfigure(settings);
  }

  /** Takes other routes. What is under way goes on; connections to upstreams that stay as they are stay open. */
  reconfigure({ upstreams, routes }: GatewaySettings): void {
    const before = this.#upstreams;
    this.#upstreams = new Map(
      upstreams.map((settings) => {
        const old = before.get(settings.name);
        const isSame = old && JSON.stringify(old.settings) === JSON.stringify(settings);
        return [settings.name, isSame ? old : new Upstream(settings, this.#parts.logger)];
      }),
    );
    this.#destinations.reconfigure(routes);
    const kept = new Set(this.#upstreams.values());
    for (const upstream of before.values()) if (!kept.has(upstream)) void upstream.retire();
  }

  /** Upstreams that are checked, and not well. */
  get down(): readonly string[] {
    return [...this.#upstreams.values()].flatMap(({ isUp, settings }) => (isUp ? [] : [settings.name]));
  }

  /** What is under way, by route and account. */
  get open(): ReturnType<OpenCalls["entries"]> {
    return this.#open.entries();
  }

  /** What a request has to be allowed; to be decided before it is served. */
  scopesOf(request: Incoming): readonly Scope[] {
    return this.#destinations.routeOf(request)?.scopes ?? [];
  }

  /** The name of the route that a request has, if it has one. */
  routeOf(request: Incoming): string | undefined {
    return this.#destinations.routeOf(request)?.name;
  }

  /** How large a request may be. */
  limitsOf(request: Incoming): Pick<Limits, "headerCount" | "bodySize"> {
    const { limits } = this.#parts;
    const bodySize = this.#destinations.routeOf(request)?.bodySize;
    return bodySize === undefined ? limits : { ...limits, bodySize };
  }

  /** Serves what was let through. */
  readonly handle: Handler = (request, response, caller) => {
    const destination = this.#destinations.of(request);
    const requestId = requestIdOf(request);
    response.setHeader("X-Request-Id", requestId);
    if (!("route" in destination)) {
      this.#refuse(request, response, caller, destination, requestId);
      return;
    }
    void this.#forward(request, response, caller, destination, requestId);
  };

  /** Serves an upgrade that was let through. */
  readonly handleUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller): void => {
    const destination = this.#destinations.of(request);
    const requestId = requestIdOf(request);
    const refuse = (code: GatewayCode): void => {
      this.#note(request, caller, code, requestId);
      denyUpgrade(socket, { code }, requestId);
    };
    if (!("route" in destination)) {
      refuse(destination.code);
      return;
    }
    const { route, target } = destination;
    const protocol = (request.headers.upgrade ?? "").toLowerCase();
    if (!route.upgrades.includes(protocol) || request.method !== "GET" || hasBody(request)) {
      refuse("UPGRADE_REFUSED");
      return;
    }
    const upstream = this.#upstreams.get(route.upstream);
    const headers = this.#headersFor(request, caller, destination, requestId);
    if (!upstream || !headers) {
      socket.destroy();
      return;
    }
    const fields = callFields(request, caller, destination, requestId);
    const begun = this.#parts.stopwatch();
    const open = this.#open.of(route.name, caller.account);
    let counted: "calls" | "upgraded" = "calls";
    open.calls += 1;
    void forwardUpgrade({
      ...{ request, socket, head, protocol, headers, target },
      dispatcher: upstream.dispatcher,
      answerTime: route.times.answer,
      patience: upstream.settings.connectTime,
      onUpgraded() {
        open.calls -= 1;
        open[(counted = "upgraded")] += 1;
      },
    }).then(({ code, status, received, sent }) => {
      open[counted] -= 1;
      if (code) denyUpgrade(socket, { code }, requestId);
      const outcome = { code, error: undefined, received, sent };
      this.#over(fields, begun, status, outcome);
    });
  };

  /** What a listener is to have of it; `handler` stands for what else it answers. */
  entrances(handler: Handler = this.handle): GatewayEntrances {
    return {
      ...{ handler, upgrade: this.handleUpgrade },
      scopesOf: (request) => this.scopesOf(request),
      limitsOf: (request) => this.limitsOf(request),
      routeOf: (request) => this.routeOf(request),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map((upstream) => upstream.close()));
  }

  async #forward(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    destination: Routed,
    requestId: string,
  ): Promise<void> {
    const { route, target } = destination;
    const upstream = this.#upstreams.get(route.upstream);
    const headers = this.#headersFor(request, caller, destination, requestId);
    if (!headers) {
      response.destroy();
      return;
    }
    if (!upstream) {
      deny(response, { code: "UPSTREAM_UNREACHABLE" }, requestId); // it was taken away while it was looked up who is calling
      return;
    }
    const fields = callFields(request, caller, destination, requestId);
    const begun = this.#parts.stopwatch();
    const open = this.#open.of(route.name, caller.account);
    open.calls += 1;
    const outcome = await forward({
      ...{ request, response, headers, target },
      dispatcher: upstream.dispatcher,
      times: route.times,
      patience: upstream.settings.connectTime,
    });
    open.calls -= 1;
    const { code } = outcome;
    if (code !== undefined && code !== "CALLER_LEFT" && code !== "BODY_TOO_LARGE" && !response.headersSent)
      deny(response, { code }, requestId);
    this.#over(fields, begun, response.statusCode, outcome);
  }

  /** For the upstream; `undefined` when the caller is gone. */
  #headersFor(
    request: Incoming,
    caller: Caller,
    { route, host }: Routed,
    requestId: string,
  ): string[] | undefined {
    const { issuers } = this.#parts.authenticator.trust;
    const certificate = certificateHeaders(request, issuers);
    const address = addressOf(request);
    if (!certificate || address === undefined) return undefined;
    const named = host.authority === "" ? [] : ["Host", host.authority, "X-Forwarded-Host", host.authority];
    return [
      ...endToEnd(request),
      ...named,
      ...["X-Forwarded-For", withoutMapping(address), "X-Forwarded-Proto", "https"],
      ...["X-Request-Id", requestId],
      ...["Via", `${request.httpVersionMajor === 1 ? "1.1" : "2"} ${this.#destinations.pseudonym}`],
      // Last: nothing that came can take it away or stand before it.
      ...identityHeaders(caller, certificate, route.identity),
    ];
  }

  #refuse(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    refused: Refused,
    requestId: string,
  ): void {
    const { code } = refused;
    if ("allow" in refused) response.setHeader("Allow", refused.allow.join(", "));
    this.#note(request, caller, code, requestId);
    deny(response, { code }, requestId);
  }

  #note(request: Incoming, caller: Caller, code: GatewayCode, requestId: string): void {
    const { logger, onRefused } = this.#parts;
    onRefused?.(request, caller, code);
    const { account, fingerprint } = caller;
    const route = this.routeOf(request);
    logDenial(logger, request, { code, route, account, fingerprint }, requestId);
  }

  #over(fields: CallFields, begun: number, status: number, outcome: Outcome): void {
    const { route, account } = fields;
    const { code, received, sent } = outcome;
    const duration = this.#parts.stopwatch() - begun;
    const told = code === "CALLER_LEFT" ? 499 : code === "BODY_TOO_LARGE" ? 413 : status;
    this.#parts.onCall?.({ route, account, status: told, code, duration, received, sent });
    logCall(this.#parts.logger, fields, told, duration, outcome);
  }
}

/** An id of the caller's own goes on, where it is one. */
function requestIdOf({ headers }: Incoming): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : randomUUID();
}
