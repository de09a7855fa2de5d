import type { Scope } from "./names.ts";
import { isOwnRoute } from "./own-routes.ts";
import { type PathPattern, type Segments, matches, readingsOf, relationOf } from "./route-path.ts";

/** How an upstream is told who is calling; several may be. */
export type IdentityForm = "client-cert" | "xfcc" | "headers";

/** Milliseconds. */
export interface RouteTimes {
  /** Until an answer begins. */
  readonly answer: number;
  /** Between two pieces of it; 0 for no limit. */
  readonly idle: number;
}

/** What is let through to an upstream, and with what. */
export interface Route {
  /** For logs and metrics. */
  readonly name: string;
  /** In lower case, without a port; `*.example.org` for one label before it. Without, all hosts that have no routes of their own. */
  readonly host: string | undefined;
  readonly path: PathPattern;
  /** In capitals; all but TRACE and CONNECT, if there are none. */
  readonly methods: readonly string[] | undefined;
  readonly upstream: string;
  readonly scopes: readonly Scope[];
  readonly identity: readonly IdentityForm[];
  /** Protocols that a connection may leave HTTP for, in lower case, such as `websocket`. */
  readonly upgrades: readonly string[];
  readonly times: RouteTimes;
  /** Octets of a request's body at most; what the listener takes, if there is no number. */
  readonly bodySize: number | undefined;
}

/** Which requests a route is for. */
export type RoutePlace = Pick<Route, "name" | "host" | "path" | "methods">;

export type Found =
  | { readonly route: Route }
  | { readonly code: "NO_ROUTE" }
  | { readonly code: "METHOD_NOT_ALLOWED"; readonly allow: readonly string[] };

/** The routes of one path on one host, which differ in their methods. */
interface Place {
  readonly path: PathPattern;
  readonly routes: Route[];
}

/** The routes, so that each request has at most one. */
export class RouteTable {
  readonly routes: readonly Route[];
  /** Of each host, what lies within another before that. */
  readonly #byHost = new Map<string | undefined, Place[]>();

  /** @param routes without `routeFaults` */
  constructor(routes: readonly Route[]) {
    this.routes = routes;
    for (const route of routes) {
      const places = this.#byHost.get(route.host) ?? [];
      const same = places.find(({ path }) => relationOf(path, route.path) === "same");
      if (same) same.routes.push(route);
      else places.push({ path: route.path, routes: [route] });
      this.#byHost.set(route.host, places);
    }
    for (const [host, places] of this.#byHost) {
      const around = ({ path }: Place): number =>
        places.filter((other) => relationOf(path, other.path) === "within").length;
      this.#byHost.set(
        host,
        places.toSorted((a, b) => around(b) - around(a)),
      );
    }
  }

  /** The route of a path that can be read in several ways; `undefined` when they have not all the same. */
  findForAll(
    host: string,
    method: string,
    [first, ...others]: readonly [Segments, ...Segments[]],
  ): Found | undefined {
    const found = this.find(host, method, first);
    const isSame = (other: Found): boolean =>
      "route" in found ? "route" in other && other.route === found.route : !("route" in other);
    return others.every((path) => isSame(this.find(host, method, path))) ? found : undefined;
  }

  /**
   * The route with the narrowest path. If its methods are others, no wider route takes its place: that may ask for less.
   *
   * @param host as the request names it, in lower case, without a port
   */
  find(host: string, method: string, path: Segments): Found {
    const narrowest = this.#placesOf(host)?.find((place) => matches(place.path, path))?.routes;
    if (!narrowest) return { code: "NO_ROUTE" };
    const route = narrowest.find(
      ({ methods }) => methods?.includes(method) ?? !never.includes(method.toUpperCase()),
    );
    if (route) return { route };
    return { code: "METHOD_NOT_ALLOWED", allow: narrowest.flatMap(({ methods }) => methods ?? []) };
  }

  #placesOf(host: string): readonly Place[] | undefined {
    const wildcard = `*${host.slice(Math.max(0, host.indexOf(".")))}`;
    return this.#byHost.get(host) ?? this.#byHost.get(wildcard) ?? this.#byHost.get(undefined);
  }
}

/** What says where calls go. */
export interface RoutingRules {
  readonly routes: readonly Route[];
  /** Where proxies ask, and the accounts of those that may. */
  readonly forwardAuth: { readonly path: string; readonly accounts: readonly string[] } | undefined;
}

interface AskedCall {
  readonly host?: string | undefined;
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Of the caller, if it has one. */
  readonly account?: string | undefined;
}

/** Where a call of serve's enforcement listener would go: what it answers itself has no route. */
export function destinationOf(
  { routes, forwardAuth }: RoutingRules,
  { host = "", method, path, account = "" }: AskedCall,
): Found | { readonly code: "TARGET_AMBIGUOUS" } | { readonly route: undefined } {
  if (isOwnRoute(method, path)) return { route: undefined };
  if (path === forwardAuth?.path) {
    if (!forwardAuth.accounts.includes(account)) return { code: "NO_ROUTE" };
    return forProxies.includes(method)
      ? { route: undefined }
      : { code: "METHOD_NOT_ALLOWED", allow: forProxies };
  }
  if (routes.length === 0) return { code: "NO_ROUTE" };
  const paths = readingsOf(path);
  const found = paths && new RouteTable(routes).findForAll(host.toLowerCase(), method, paths);
  return found ?? { code: "TARGET_AMBIGUOUS" };
}

const forProxies = ["GET", "HEAD"];

/** The first would show callers what was added for the service, the second is for proxies of another kind. */
const never = ["TRACE", "CONNECT"];

/** Routes of which it would be open which one a request is for. */
export function routeFaults(routes: readonly RoutePlace[]): string[] {
  return routes.flatMap((route, place) =>
    routes.slice(0, place).flatMap((other) => {
      if (route.host !== other.host) return [];
      const relation = relationOf(route.path, other.path);
      const isAmbiguous = relation === "crossing" || (relation === "same" && shareMethods(route, other));
      return isAmbiguous ? [`the routes '${other.name}' and '${route.name}' overlap`] : [];
    }),
  );
}

function shareMethods({ methods: a }: RoutePlace, { methods: b }: RoutePlace): boolean {
  return a === undefined || b === undefined || a.some((method) => b.includes(method));
}
