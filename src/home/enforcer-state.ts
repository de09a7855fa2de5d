import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { type Config, homeDirectory, readConfig, readConfigFile, withoutRoutes } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { defaultLimits } from "../domain/limits.ts";
import type { Database, Logger } from "../domain/ports.ts";
import type { IssuerRecord } from "../domain/records.ts";
import { readInput } from "../files/files.ts";
import { requireSameHistory } from "../services/older-state.ts";
import { openDatabase } from "../storage/database.ts";
import { readLastSeen } from "./last-seen.ts";
import { openState, systemClock } from "./open.ts";
import { type TrustedAuthority, loadTrust } from "./trust.ts";
import { wholeConfig } from "./whole-config.ts";

/** Where a service finds the records to decide by. */
export type EnforcerOptions = {
  /** Where denials and faults go, such as a pino logger (nowhere). */
  readonly logger?: Logger | undefined;
} & (
  | {
      /** An initialised home; its configuration and database are used, its keys are not. */
      readonly home: string;
    }
  | {
      /** `postgres://…` */
      readonly databaseUrl: string;
      /** The root's certificate as PEM, or its file: nothing is trusted that it has not signed. */
      readonly trust: string;
    }
);

export interface EnforcerState extends Pick<Config, "resumption" | "limits"> {
  readonly database: Database;
  /** CAs beside our own. */
  readonly trusted: readonly TrustedAuthority[];
}

const method = z.custom((value) => typeof value === "function", "not a function");
const logger = z.looseObject({ info: method, warn: method, error: method }).optional();
const homeForm = z.strictObject({ home: z.string().min(1), logger });
const urlForm = z.strictObject({
  databaseUrl: z.url({ protocol: /^postgres(ql)?$/, error: "not a postgres:// URL" }),
  trust: z.string().transform((text, context) => {
    const read = readRoot(text);
    if (typeof read !== "string") return read;
    context.addIssue({ code: "custom", message: read });
    return z.NEVER;
  }),
  logger,
});

/**
 * Opens the records that an enforcer is to follow.
 *
 * @throws Refusal CONFIG_INVALID, naming every fault; HOME_MISSING, FILE_UNREADABLE, UNAVAILABLE, STATE_WENT_BACK.
 */
export async function openEnforcerState(options: EnforcerOptions, log: Logger): Promise<EnforcerState> {
  const given: unknown = options;
  if (typeof given !== "object" || given === null) refuse([NO_STATE]);
  const isPlaced = ["home", "databaseUrl", "trust"].some((name) => name in given);
  const result = ("home" in given || !isPlaced ? homeForm : urlForm).safeParse(given);
  if (!result.success) {
    const faults = result.error.issues.filter(({ path: [name] }) => isPlaced || name !== "home");
    refuse([...(isPlaced ? [] : [NO_STATE]), ...faults.map(describe)]);
  }
  return "home" in result.data
    ? openHome(result.data.home)
    : openTrusting(result.data.databaseUrl, result.data.trust, log);
}

const NO_STATE = "give it the CA's 'home', or a 'databaseUrl' with whom to 'trust'";

function describe({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}

async function openHome(named: string): Promise<EnforcerState> {
  const home = homeDirectory(named, process.env);
  const now = systemClock.now();
  const config = wholeConfig(readConfig(home, {}, process.env, withoutRoutes(readHome(home))), now);
  const trusted = loadTrust(config, now);
  const database = await openState(config);
  return orClose(database, async () => {
    await requireSameHistory(database, readLastSeen(home));
    return { database, trusted, resumption: config.resumption, limits: config.limits };
  });
}

/** As for the command line, but for what its user would be told to do. */
function readHome(home: string): unknown {
  try {
    return readConfigFile(home);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "HOME_MISSING") throw error;
    const message = `${home}, the 'home' of the enforcer's options, is not initialised: it has no config.json.`;
    throw new Refusal("HOME_MISSING", message);
  }
}

async function openTrusting(url: string, root: X509Certificate, log: Logger): Promise<EnforcerState> {
  const database = await openDatabase({ url });
  return orClose(database, async () => {
    const onRecord = await database.issuers.list();
    const foreign = onRecord.filter((issuer) => !isOfRoot(issuer, root));
    const faults = foreign.map(
      ({ name, id }) => `trust: the root has not signed '${name}' (${id}), which is on record`,
    );
    if (!onRecord.some(({ der }) => root.raw.equals(der))) faults.unshift("trust: the root is not on record");
    if (faults.length > 0) refuse(faults);
    const trusting = { ...database, issuers: trustedIssuers(database, root, log) };
    return { database: trusting, trusted: [], resumption: true, limits: defaultLimits };
  });
}

/** What is installed later is not trusted for being on record, either. */
function trustedIssuers(database: Database, root: X509Certificate, log: Logger): Database["issuers"] {
  const { issuers } = database;
  return {
    ...issuers,
    async list() {
      const onRecord = await issuers.list();
      const trusted = onRecord.filter((issuer) => isOfRoot(issuer, root));
      const foreign = onRecord
        .filter((issuer) => !trusted.includes(issuer))
        .map(({ name, id }) => ({ name, id }));
      if (foreign.length > 0)
        log.error({ issuers: foreign }, "issuing CAs on record are not the root's: not trusted");
      return trusted;
    },
  };
}

function isOfRoot({ der }: IssuerRecord, root: X509Certificate): boolean {
  const certificate = new X509Certificate(der);
  return root.raw.equals(der) || (certificate.checkIssued(root) && certificate.verify(root.publicKey));
}

/** @returns what is wrong with it, if anything is */
function readRoot(trust: string): X509Certificate | string {
  try {
    const text = trust.includes("-----BEGIN ") ? trust : readInput(trust).toString("latin1");
    if (text.split("-----BEGIN ").length !== 2) return "not one certificate";
    const root = new X509Certificate(text);
    const isRoot = root.ca && root.checkIssued(root) && root.verify(root.publicKey);
    return isRoot ? root : "not a root certificate: it has not signed itself";
  } catch (error) {
    return error instanceof Refusal ? error.message : "not a certificate in PEM";
  }
}

function refuse(faults: readonly string[]): never {
  throw new Refusal("CONFIG_INVALID", `The enforcer's options are not valid: ${faults.join("; ")}.`);
}

async function orClose<Result>(database: Database, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await database.close();
    throw error;
  }
}
