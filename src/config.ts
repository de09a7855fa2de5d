import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import {
  type Fault,
  approval,
  crlLife,
  describeFault,
  dnsName,
  hostPort,
  limitShape,
  onOff,
  refuseConfig,
  soundFields,
  soundTrust,
  trust,
  trustFaults,
  withoutUndefined,
} from "./config-fields.ts";
import {
  type SoundUpstreams,
  forwardAuthFaults,
  forwardAuthSchema,
  gatewayFaults,
  routesSchema,
  soundUpstreams,
  upstreamsSchema,
} from "./config-routes.ts";
import { Refusal } from "./domain/errors.ts";
import { type Limits, limitNames, limitRules } from "./domain/limits.ts";
import { isObject } from "./domain/option-faults.ts";
import { formatDuration } from "./domain/time.ts";

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

/** The configuration, validated and frozen. */
export type Config = Readonly<z.output<typeof fields>> & { readonly home: string };
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

/** A configuration as far as it can be read: whoever mends it learns of every fault at once. */
export interface ConfigReading {
  readonly home: string;
  /** Nothing, if there is a fault. */
  readonly config: Config | undefined;
  readonly faults: readonly string[];
  /** What is well formed of that which names files, whatever is wrong beside it. */
  readonly sound: {
    readonly trust: ReturnType<typeof soundTrust>;
    readonly upstreams: SoundUpstreams;
    readonly databaseUrl?: string | undefined;
  };
}

/**
 * Puts the configuration together: flag, then variable, then file, then default.
 *
 * @param file the parsed `config.json`; `{}` before there is one
 */
export function readConfig(
  home: string,
  flags: RawConfig,
  env: NodeJS.ProcessEnv,
  file: unknown,
): ConfigReading {
  const faults: Fault[] = isObject(file) ? [] : [{ path: [], message: "config.json is not a JSON object" }];
  const given = isObject(file) ? file : {};
  const layers = [defaults, given, fromEnvironment(env), { ...flags }].map(withoutUndefined);
  const raw = Object.assign({}, ...layers) as Record<string, unknown>;
  for (const name of ["listen", "limits"]) {
    const parts = layers.map((layer) => layer[name]).filter((part) => part !== undefined);
    raw[name] = Object.assign({}, ...parts.filter(isObject).map(withoutUndefined));
    if (!parts.every(isObject)) faults.push({ path: [name], message: "not an object" });
  }
  const result = fields.safeParse(raw);
  const own = Object.values(soundFields(fields.shape.listen.shape, raw["listen"]));
  faults.push(...(result.error?.issues ?? []), ...trustFaults(raw["trust"]));
  faults.push(...gatewayFaults(raw, own), ...forwardAuthFaults(raw));
  return {
    home,
    config: result.data && faults.length === 0 ? Object.freeze({ ...result.data, home }) : undefined,
    faults: faults.map((fault) => describeFault(fault)),
    sound: {
      trust: soundTrust(raw["trust"]),
      upstreams: soundUpstreams(raw["upstreams"]),
      ...soundFields({ databaseUrl: fields.shape.databaseUrl }, raw),
    },
  };
}

/**
 * The same where nothing goes on without all of it.
 *
 * @throws Refusal CONFIG_INVALID, naming every fault.
 */
export function resolveConfig(...given: Parameters<typeof readConfig>): Config {
  const { config, faults } = readConfig(...given);
  return config ?? refuseConfig(faults);
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
