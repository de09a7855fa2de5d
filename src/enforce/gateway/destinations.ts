import { randomBytes } from "node:crypto";
import { readingsOf } from "../../domain/route-path.ts";
import { type Found, type Route, RouteTable } from "../../domain/route.ts";
import { type AskedHost, askedHost, originForm } from "../request-target.ts";
import type { Incoming } from "../transport.ts";

/** What has a route, with what else its upstream is to get of the target. */
export interface Routed {
  readonly route: Route;
  readonly host: AskedHost;
  /** Path and query. */
  readonly target: string;
}

export type Refused =
  Exclude<Found, { readonly route: Route }> | { readonly code: "TARGET_AMBIGUOUS" | "GATEWAY_LOOP" };
export type Destination = Routed | Refused;

/** Where requests go. */
export class Destinations {
  /** In `Via`, so that a request that comes back is known (RFC 9110 §7.6.3). */
  readonly pseudonym = `countersign-${randomBytes(6).toString("hex")}`;
  /** What a request was decided for is what serves it, whatever is read anew meanwhile. */
  readonly #decided = new WeakMap<Incoming, Destination>();
  readonly #isOwn: (request: Incoming) => boolean;
  #table = new RouteTable([]);

  /** @param isOwn whether a request is answered elsewhere, and has no route whatever there are */
  constructor(isOwn: (request: Incoming) => boolean) {
    this.#isOwn = isOwn;
  }

  reconfigure(routes: readonly Route[]): void {
    this.#table = new RouteTable(routes);
  }

  of(request: Incoming): Destination {
    const destination = this.#decided.get(request) ?? this.#find(request);
    this.#decided.set(request, destination);
    return destination;
  }

  routeOf(request: Incoming): Route | undefined {
    const destination = this.of(request);
    return "route" in destination ? destination.route : undefined;
  }

  #find(request: Incoming): Destination {
    if (this.#table.routes.length === 0 || this.#isOwn(request)) return { code: "NO_ROUTE" };
    if (this.#isLooping(request)) return { code: "GATEWAY_LOOP" };
    const target = originForm(request);
    const paths = isPlain(request.url) ? readingsOf(target.replace(/\?.*$/s, "")) : undefined;
    const host = askedHost(request);
    if (!paths || !host) return { code: "TARGET_AMBIGUOUS" };
    const found = this.#table.findForAll(host.name, request.method ?? "", paths);
    if (!found) return { code: "TARGET_AMBIGUOUS" };
    return "route" in found ? { route: found.route, host, target } : found;
  }

  #isLooping({ headers }: Incoming): boolean {
    const { via = "" } = headers as { readonly via?: string };
    return via.includes(this.pseudonym);
  }
}

/** What Node's parser lets through in a query, and others take for the end of a line or a header. */
function isPlain(target: string | undefined): boolean {
  return target !== undefined && /^[!-~]+$/.test(target) && !target.includes("#");
}
