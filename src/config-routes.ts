import { z } from "zod";
import {
  type Fault,
  type SoundFields,
  describeFault,
  itemsOf,
  refuseConfig,
  slug,
  soundFields,
} from "./config-fields.ts";
import { Refusal } from "./domain/errors.ts";
import { parseScope } from "./domain/names.ts";
import { isObject } from "./domain/option-faults.ts";
import { isOwnRoute } from "./domain/own-routes.ts";
import { parsePattern } from "./domain/route-path.ts";
import { type Route, type RoutePlace, routeFaults } from "./domain/route.ts";
import { HOUR, MINUTE, SECOND, parseDuration } from "./domain/time.ts";

/** `upstreams` and `routes` of config.json (docs/gateway.md). */

const DNS_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const HOST = new RegExp(`^(?:\\*\\.)?${DNS_LABEL}(?:\\.${DNS_LABEL})*$|^[0-9a-f:.]+$`);

const duration = (least: number, most: number, what: string) =>
  z.string().transform((text, context) => {
    const value = /^[0-9]{1,9}(?:ms|[smhd])$/.test(text) ? durationOf(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    context.addIssue({ code: "custom", message: `'${text}' is not a duration ${what}` });
    return z.NEVER;
  });

function durationOf(text: string): number {
  if (text.endsWith("ms")) return Number(text.slice(0, -2));
  return /^0+[smhd]$/.test(text) ? 0 : parseDuration(text);
}

const origin = z.string().transform((text, context) => {
  const url = /^https?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const isBare = url && `${url.pathname}${url.search}${url.hash}${url.username}${url.password}` === "/";
  if (isBare === true) return url.origin;
  context.addIssue({ code: "custom", message: `'${text}' is not http://HOST:PORT or https://HOST:PORT` });
  return z.NEVER;
});

const upstream = z.strictObject({
  url: origin,
  /** A unix socket; the URL then says the Host and whether it is TLS. */
  socket: z.string().min(1).optional(),
  /** Files, PEM: whom to trust, and our own certificate there. */
  ca: z.string().min(1).optional(),
  cert: z.string().min(1).optional(),
  key: z.string().min(1).optional(),
  serverName: z.string().min(1).optional(),
  connectTime: duration(100, MINUTE, "from 100ms to 1m").default(5 * SECOND),
  connections: z.number().int().min(1).max(10_000).default(256),
  health: z
    .strictObject({
      path: z.string().regex(/^\/[!-~]*$/, "not a path"),
      interval: duration(SECOND, HOUR, "from 1s to 1h").default(10 * SECOND),
    })
    .optional(),
});

/** Their names are looked at with what else there is between them: one that is none would hide what is wrong with its upstream. */
export const upstreamsSchema = z.record(z.string(), upstream, "not an object of upstreams by name");

const path = z.string().transform((text, context) => {
  const pattern = parsePattern(text);
  if (pattern) return pattern;
  context.addIssue({
    code: "custom",
    message: `'${text}' is not a path such as /orders, /orders/* (one segment) or /orders/** (all below)`,
  });
  return z.NEVER;
});

const scope = z.string().transform((text, context) => {
  try {
    return parseScope(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Refusal ? error.message : "not a scope" });
    return z.NEVER;
  }
});

/** Of RFC 9110 and RFC 5789, but for CONNECT, which is for proxies of another kind, and TRACE, which shows what was added. */
const known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
const identity = z.enum(["client-cert", "xfcc", "headers"]);

const route = z.strictObject({
  name: slug.optional(),
  host: z
    .string()
    .toLowerCase()
    .regex(HOST, "not a host such as api.example.org or *.example.org")
    .optional(),
  path,
  methods: z.array(z.enum(known, "not a method, in capitals")).min(1).optional(),
  upstream: z.string(),
  scopes: z.array(scope).default([]),
  /** How the upstream is told who is calling. */
  identity: z
    .union([identity.transform((one) => [one]), z.array(identity), z.literal("none").transform(() => [])])
    .default(["headers"]),
  /** Protocols that connections may leave HTTP for. */
  upgrade: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9./-]*$/, "not a protocol such as websocket"))
    .default([]),
  answerTime: duration(100, HOUR, "from 100ms to 1h").default(MINUTE),
  idleTime: duration(0, 24 * HOUR, "from 0s (none) to 24h").default(5 * MINUTE),
  maxBody: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});

export const routesSchema = z.array(route);

/** For proxies that ask before they let a caller go on. */
export const forwardAuthSchema = z.strictObject({
  path: z
    .string()
    .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, "not a plain path such as /forward-auth")
    .default("/forward-auth"),
  accounts: z.array(slug).min(1),
  header: z
    .string()
    .toLowerCase()
    .regex(/^[a-z0-9-]+$/, "not the name of a header")
    .default("x-client-cert"),
  onlyForbids: z.boolean().default(false),
});

export type UpstreamsConfig = z.output<typeof upstreamsSchema>;
export type RoutesConfig = z.output<typeof routesSchema>;

export interface GatewayConfig {
  readonly upstreams: UpstreamsConfig;
  readonly routes: RoutesConfig;
}

/**
 * Reads routes and upstreams as they stand in config.json.
 *
 * @param fileFaults what is wrong with the files that upstreams name
 * @throws Refusal CONFIG_INVALID, naming every fault
 */
export function parseGatewayConfig(
  given: unknown,
  fileFaults: (upstreams: SoundUpstreams) => readonly string[] = () => [],
): GatewayConfig {
  const { data, error } = z
    .strictObject({ upstreams: upstreamsSchema, routes: routesSchema })
    .safeParse(given);
  const { upstreams, routes } = isObject(given) ? given : {};
  const found = [...(error?.issues ?? []), ...gatewayFaults({ upstreams, routes }, [])];
  const faults = found.map((fault) => describeFault(fault, "gateway"));
  faults.push(...fileFaults(soundUpstreams(upstreams)));
  return data && faults.length === 0 ? data : refuseConfig(faults);
}

/** Where the process itself listens. */
export type Own = readonly { readonly host: string; readonly port: number }[];

/** As it stands in config.json, whatever that is. */
interface Written {
  readonly routes?: unknown;
  readonly upstreams?: unknown;
  readonly forwardAuth?: unknown;
}

/**
 * What is wrong between routes and upstreams, as far as they are well formed each; nothing, if empty. What is wrong with one
 * keeps nothing back that is wrong with others.
 */
export function gatewayFaults({ routes, upstreams }: Written, own: Own): Fault[] {
  const sound = soundRoutes(routes);
  const known = isObject(upstreams) ? upstreams : undefined;
  const missing = sound.flatMap(({ upstream: name }, place) =>
    name === undefined || !known || Object.hasOwn(known, name)
      ? []
      : [{ path: ["routes", place, "upstream"], message: `there is no upstream '${name}'` }],
  );
  const shadowed = sound.flatMap(({ path: at }, place) =>
    at && isOwnRoute("GET", at.text)
      ? [{ path: ["routes", place, "path"], message: `${at.text} is answered by the gateway itself` }]
      : [],
  );
  const ofUpstreams = Object.entries(known ?? {}).flatMap(([name, given]) =>
    upstreamFaults(name, given, own),
  );
  const names = sound.flatMap(({ name }) => name ?? []);
  const twice = new Set(names.filter((name, place) => names.indexOf(name) !== place));
  const doubled = [...twice].map((name) => `there are two of the name '${name}'`);
  const overlaps = routeFaults(sound.flatMap((given) => (isPlaced(given) ? placeOf(given) : [])));
  const ofAll = [...doubled, ...overlaps].map((message) => ({ path: ["routes"], message }));
  return [...missing, ...shadowed, ...ofUpstreams, ...ofAll];
}

/** What is wrong with where proxies ask. */
export function forwardAuthFaults({ routes, forwardAuth }: Written): Fault[] {
  const { path: at } = soundFields(forwardAuthSchema.shape, forwardAuth);
  if (at === undefined) return [];
  const own = isOwnRoute("GET", at)
    ? [{ path: ["forwardAuth", "path"], message: `${at} is answered otherwise` }]
    : [];
  const shadowed = soundRoutes(routes).flatMap(({ path: pattern }, place) =>
    pattern?.text === at ? [{ path: ["routes", place, "path"], message: `${at} is where proxies ask` }] : [],
  );
  return [...own, ...shadowed];
}

export type SoundUpstreams = Record<string, SoundFields<(typeof upstream)["shape"]>>;

/** Of each upstream, as it is written, what is well formed. */
export function soundUpstreams(given: unknown): SoundUpstreams {
  if (!isObject(given)) return {};
  return Object.fromEntries(
    Object.entries(given).map(([name, one]) => [name, soundFields(upstream.shape, one)]),
  );
}

type SoundRoute = SoundFields<(typeof route)["shape"]>;
/** It is certain which requests it is for. */
type PlacedRoute = SoundRoute & Pick<RoutesConfig[number], "host" | "path" | "methods">;

function soundRoutes(given: unknown): SoundRoute[] {
  return itemsOf(given).map((one) => soundFields(route.shape, one));
}

function isPlaced(given: SoundRoute): given is PlacedRoute {
  return ["host", "path", "methods"].every((name) => name in given);
}

function upstreamFaults(name: string, given: unknown, own: Own): Fault[] {
  const faults: Fault[] = (slug.safeParse(name).error?.issues ?? []).map(({ message }) => ({
    path: ["upstreams", name],
    message: `the name is ${message}`,
  }));
  if (!isObject(given)) return faults;
  const { url } = soundFields(upstream.shape, given);
  const has = (field: string): boolean => given[field] !== undefined;
  if (has("cert") !== has("key"))
    faults.push({ path: ["upstreams", name], message: "cert and key go together" });
  if (url === undefined) return faults;
  if (!url.startsWith("https:") && ["ca", "cert", "key", "serverName"].some(has))
    faults.push({ path: ["upstreams", name], message: "ca, cert, key and serverName are for https://" });
  if (!has("socket") && own.some((listener) => leadsTo(url, listener)))
    faults.push({ path: ["upstreams", name, "url"], message: `${url} leads back to this server` });
  return faults;
}

export function toRoutes(routes: RoutesConfig): Route[] {
  return routes.map((given) => ({
    ...placeOf(given),
    ...{ upstream: given.upstream, scopes: given.scopes, identity: given.identity, upgrades: given.upgrade },
    times: { answer: given.answerTime, idle: given.idleTime },
    bodySize: given.maxBody,
  }));
}

/** Without a name of its own it is called as its path is, with what else tells it apart. */
function placeOf(given: PlacedRoute): RoutePlace {
  const { name, host, path: at, methods } = given;
  const described = [methods?.join(","), `${host ?? ""}${at.text}`].filter(Boolean).join(" ");
  return { name: name ?? described, host, path: at, methods };
}

const loopback = new Set(["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"]);

function leadsTo(url: string, { host, port }: Own[number]): boolean {
  const { protocol, hostname, port: named } = new URL(url);
  if (port === 0 || Number(named === "" ? (protocol === "https:" ? 443 : 80) : named) !== port) return false;
  const name = hostname.replace(/^\[|\]$/g, "");
  return name === host || (loopback.has(name) && loopback.has(host));
}
