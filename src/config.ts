import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import {
  forwardAuthFaults,
  forwardAuthSchema,
  gatewayFaults,
  routesSchema,
  slug,
  upstreamsSchema,
} from "./config-routes.ts";
import { Refusal } from "./domain/errors.ts";
import { type Limits, describeRule, limitFault, limitNames, limitRules } from "./domain/limits.ts";
import { defaultApprovalLimits } from "./domain/request.ts";
import { DAY, MINUTE, formatDuration, parseDuration } from "./domain/time.ts";

/** HOST:PORT; an IPv6 host in brackets; port 0 picks a free one. */
const hostPort = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) {
    context.addIssue({ code: "custom", message: `'${text}' is not HOST:PORT` });
    return z.NEVER;
  }
  return { host, port };
});

const dnsLabel = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
const dnsName = z.string().regex(new RegExp(`^${dnsLabel}(\\.${dnsLabel})*$`), "not a DNS name");

/** Short enough to be noticed, long enough to be fetched. */
const crlLife = z.string().transform((text, context) => {
  const life = /^[1-9][0-9]{0,8}[smhd]$/.test(text) ? parseDuration(text) : Number.NaN;
  if (life >= 10 * MINUTE && life <= 30 * DAY) return life;
  context.addIssue({ code: "custom", message: `'${text}' is not a duration from 10m to 30d` });
  return z.NEVER;
});

/** A number, or what a variable says: digits; a duration for a time. */
const limit = (name: keyof Limits) =>
  z.union([z.number(), z.string()], `not ${describeRule(limitRules[name])}`).transform((said, context) => {
    const isTime = limitRules[name].kind === "time";
    const form = isTime ? /^[1-9][0-9]{0,8}[smhd]$/ : /^[0-9]{1,12}$/;
    const read = (text: string): number => (isTime ? parseDuration(text) : Number(text));
    const isFormed = typeof said === "number" ? !isTime : form.test(said);
    const value = isFormed ? (typeof said === "number" ? said : read(said)) : Number.NaN;
    const message = limitFault(name, value);
    if (message === undefined) return value;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
type LimitShape = { [Name in keyof Limits]: ReturnType<typeof limit> };
const limitShape = Object.fromEntries(limitNames.map((name) => [name, limit(name)])) as LimitShape;

/** As JSON says it, or as a variable does. */
const onOff = z.union(
  [z.boolean(), z.enum(["on", "off"]).transform((text) => text === "on")],
  "neither on nor off",
);
/** Whether requests without a token are taken, to be approved: with these limits, or the default ones. */
const most = (limit: number) => z.number().int().min(1).max(limit);
const approval = z
  .union(
    [onOff, z.strictObject({ pendingPerAddress: most(1000), pending: most(100_000) }).partial()],
    "neither on nor off, nor { pendingPerAddress, pending }",
  )
  .transform((said) => {
    if (said === false) return undefined;
    return { ...defaultApprovalLimits, ...(said === true ? {} : withoutUndefined(said)) };
  });

/** CAs beside our own; what their files hold is looked at when they are read (`loadTrust`). */
const trust = z
  .array(
    z.strictObject({
      name: slug,
      ca: z.string().min(1),
      crl: z
        .string()
        .min(1)
        .refine(
          (text) => !text.includes("://") || (/^https?:\/\//.test(text) && URL.canParse(text)),
          "neither a file nor an http:// or https:// URL",
        )
        .optional(),
    }),
  )
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "two have the same name");

const fields = z.strictObject({
  name: z.string().min(1).max(40),
  trustDomain: dnsName.toLowerCase(),
  dns: z.array(z.union([dnsName, z.ipv4(), z.ipv6()], "not a DNS name or an IP address")),
  publicUrl: z
    .url({ protocol: /^http$/, error: "not an http:// URL (RFC 5280 §8: plain HTTP)" })
    // As certificates carry it: in ASCII, other letters and spaces encoded (RFC 5280 §7.4).
    .transform((url) => new URL(url).href.replace(/\/+$/, ""))
    .optional(),
  databaseUrl: z.url({ protocol: /^postgres(ql)?$/, error: "not a postgres:// URL" }).optional(),
  /** A number, or text of digits: what a variable says. */
  waitSeconds: z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^[0-9]{1,3}$/)
          .transform(Number),
      ],
      "not a number of seconds",
    )
    .pipe(z.number().min(0).max(600)),
  crlLife,
  /** Whether TLS sessions may be resumed. */
  resumption: onOff,
  /** Whether whoever is refused is cut off at the handshake, without an answer. */
  refuseInTls: onOff,
  /** Whether calls may come by HTTP/2 as well. */
  http2: onOff,
  approval,
  limits: z.strictObject(limitShape),
  trust,
  upstreams: upstreamsSchema,
  routes: routesSchema,
  forwardAuth: forwardAuthSchema.optional(),
  listen: z.strictObject({ ca: hostPort, enforce: hostPort, public: hostPort, metrics: hostPort }),
});

const schema = fields.superRefine(({ routes, upstreams, forwardAuth, listen }, context) => {
  const own = [listen.ca, listen.enforce, listen.public, listen.metrics];
  for (const fault of [...gatewayFaults(routes, upstreams, own), ...forwardAuthFaults(forwardAuth, routes)])
    context.addIssue({ code: "custom", path: fault.path, message: fault.message });
});

/** The configuration, validated and frozen. */
export type Config = Readonly<z.output<typeof schema>> & { readonly home: string };
export const listenerNames = ["ca", "enforce", "public", "metrics"] as const;
export type ListenerName = (typeof listenerNames)[number];

/** What flags, variables or the file may say, as text. Secrets have no flag: arguments are for all to see. */
export interface RawConfig {
  name?: string | undefined;
  trustDomain?: string | undefined;
  dns?: readonly string[] | undefined;
  publicUrl?: string | undefined;
  resumption?: boolean | undefined;
  refuseInTls?: boolean | undefined;
  http2?: boolean | undefined;
  approval?: boolean | undefined;
  listen?: Partial<Record<ListenerName, string | undefined>> | undefined;
}

const defaults = {
  name: "Countersign",
  trustDomain: "countersign.internal",
  dns: ["localhost", "127.0.0.1", "::1"],
  waitSeconds: 1,
  crlLife: "24h",
  resumption: true,
  refuseInTls: false,
  http2: false,
  approval: false,
  limits: Object.fromEntries(limitNames.map((name) => [name, defaultOf(name)])),
  trust: [],
  upstreams: {},
  routes: [],
  listen: {
    ca: "127.0.0.1:8443",
    enforce: "127.0.0.1:9443",
    public: "127.0.0.1:8080",
    metrics: "127.0.0.1:9090",
  },
};

/** `--home`, else COUNTERSIGN_HOME, else `./ca`; an absolute path. */
export function homeDirectory(flag: string | undefined, env: NodeJS.ProcessEnv): string {
  return resolve(flag ?? env["COUNTERSIGN_HOME"] ?? "ca");
}

/**
 * Puts the configuration together: flag, then variable, then file, then default.
 *
 * @param file the parsed `config.json`; `{}` before there is one
 * @throws Refusal CONFIG_INVALID, naming every fault.
 */
export function resolveConfig(home: string, flags: RawConfig, env: NodeJS.ProcessEnv, file: unknown): Config {
  if (!isObject(file))
    throw new Refusal("CONFIG_INVALID", `${join(home, "config.json")} is not a JSON object.`);
  const layers = [defaults, file, fromEnvironment(env), { ...flags }].map(withoutUndefined);
  const raw = Object.assign({}, ...layers) as Record<string, unknown>;
  for (const name of ["listen", "limits"]) {
    const parts = layers.map((layer) => (layer[name] === undefined ? {} : layer[name]));
    // What is no object is left for the schema to refuse.
    raw[name] = parts.every(isObject) ? Object.assign({}, ...parts.map(withoutUndefined)) : undefined;
  }
  const result = schema.safeParse(raw);
  if (result.success) return Object.freeze({ ...result.data, home });
  const faults = result.error.issues.map((issue) => `${issue.path.join(".") || "config"}: ${issue.message}`);
  throw new Refusal("CONFIG_INVALID", `The configuration is not valid: ${faults.join("; ")}.`);
}

/** What is in `config.json` but for what the gateway alone goes by: a fault there must not keep anybody from revoking. */
export function withoutRoutes(file: unknown): unknown {
  return isObject(file) ? { ...file, routes: undefined, upstreams: undefined, forwardAuth: undefined } : file;
}

/** Reads `config.json`. Throws HOME_MISSING, CONFIG_INVALID. */
export function readConfigFile(home: string): unknown {
  const path = join(home, "config.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new Refusal(
        "HOME_MISSING",
        `${home} is not initialised. Run 'countersign init', or name another home with --home.`,
      );
    }
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be read.`, String(error));
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal("CONFIG_INVALID", `${path} is not JSON.`);
  }
}

/** The configuration's variables; those of `listen` and `limits` are made of their names. */
const variables = {
  publicUrl: "COUNTERSIGN_PUBLIC_URL",
  databaseUrl: "COUNTERSIGN_DATABASE_URL",
  waitSeconds: "COUNTERSIGN_WAIT_SECONDS",
  crlLife: "COUNTERSIGN_CRL_LIFE",
  resumption: "COUNTERSIGN_RESUMPTION",
  refuseInTls: "COUNTERSIGN_REFUSE_IN_TLS",
  http2: "COUNTERSIGN_HTTP2",
  approval: "COUNTERSIGN_APPROVAL",
} as const;
const listenVariable = (name: ListenerName): string => `COUNTERSIGN_${name.toUpperCase()}_LISTEN`;

function fromEnvironment(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const read = (named: readonly (readonly [string, string])[]): Record<string, unknown> =>
    Object.fromEntries(named.map(([name, variable]) => [name, env[variable]]));
  return {
    ...read(Object.entries(variables)),
    limits: read(limitNames.map((name) => [name, limitVariable(name)])),
    listen: read(listenerNames.map((name) => [name, listenVariable(name)])),
  };
}

/** What the tests go by, and what Kubernetes gives every pod when there is a service of our name. */
const foreignVariable =
  /^COUNTERSIGN_(?:TEST_.*|SOAK(?:_.*)?|REPLAY|(?:.+_)?(?:SERVICE_(?:HOST|PORT(?:_.+)?)|PORT(?:_[0-9]+_.+)?))$/;

/**
 * Refuses variables of our prefix that nobody reads: a typing error would leave a limit as it was.
 *
 * @throws Refusal CONFIG_INVALID, naming every one
 */
export function requireKnownVariables(env: NodeJS.ProcessEnv): void {
  const known = new Set<string>([
    ...["COUNTERSIGN_HOME", "COUNTERSIGN_PASSWORD_FILE", "COUNTERSIGN_CA_URL"],
    ...[...Object.values(variables), ...listenerNames.map(listenVariable), ...limitNames.map(limitVariable)],
  ]);
  const unknown = Object.keys(env).filter(
    (name) => name.startsWith("COUNTERSIGN_") && !known.has(name) && !foreignVariable.test(name),
  );
  if (unknown.length === 0) return;
  throw new Refusal("CONFIG_INVALID", `There is no such variable: ${unknown.sort().join(", ")}.`);
}

/** As `COUNTERSIGN_LIMIT_HANDSHAKES_PER_ADDRESS`. */
export function limitVariable(name: keyof Limits): string {
  return `COUNTERSIGN_${`limit_${name}`.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`;
}

function defaultOf(name: keyof Limits): number | string {
  const { kind, default: value } = limitRules[name];
  return kind === "time" ? formatDuration(value) : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutUndefined(layer: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
}
