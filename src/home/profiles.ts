import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { soundFields } from "../config-fields.ts";
import { Refusal } from "../domain/errors.ts";
import { keyTypes } from "../domain/key-policy.ts";
import { parseSlug } from "../domain/names.ts";
import {
  type Profile,
  commonNameFault,
  keyUsages,
  profileFaults,
  purposeIds,
  templateFault,
} from "../domain/profile.ts";
import type { IssuerRecord } from "../domain/records.ts";
import { HOUR, parseDuration } from "../domain/time.ts";
import { PUBLIC, createFileAtomically } from "../files/files.ts";
import { DEFAULT_ISSUER } from "./paths.ts";

const shipped = join(import.meta.dirname, "..", "..", "ca", "profiles");

/** A value as `parse` reads it; its refusal is the fault. */
function parsed<Value>(parse: (text: string) => Value) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  });
}

const duration = parsed(parseDuration);
/** A text in which `faultOf` finds nothing wrong. */
const faultless = (faultOf: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const message = faultOf(text);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
const template = faultless(templateFault);
const commonName = faultless(commonNameFault);
const list = <Item extends z.ZodType>(item: Item) => z.array(item).refine(isUnique, "names something twice");

const schema = z.strictObject({
  description: z.string().optional(),
  keyTypes: list(z.enum(keyTypes)).min(1),
  life: z
    .strictObject({ default: duration, max: duration.optional() })
    .transform((life) => ({ ...life, max: life.max ?? life.default })),
  renewal: z
    .strictObject({ overlap: duration.default(HOUR), afterExpiry: duration.optional() })
    .default({ overlap: HOUR })
    .transform(({ overlap, afterExpiry }) => ({ overlap, afterExpiry })),
  keyUsage: list(z.enum(keyUsages)).min(1).default(["digitalSignature"]),
  extendedKeyUsage: list(z.literal(Object.keys(purposeIds) as (keyof typeof purposeIds)[])).min(1),
  subject: z.strictObject({ commonName }).default({ commonName: "{account}" }),
  subjectAltNames: z
    .strictObject({ uri: list(template).default([]), dns: list(template).default([]) })
    .default({ uri: ["spiffe://{trustDomain}/account/{account}"], dns: [] }),
  requestedNames: list(z.enum(["dns", "ip"])).default([]),
  issuer: parsed(parseSlug).default(parseSlug(DEFAULT_ISSUER)),
});

/** Copies the profiles that this package ships into a home, each whole or not at all, and leaves those that are there alone. */
export function layOutProfiles(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(shipped)) {
    const target = join(directory, file);
    if (!existsSync(target)) createFileAtomically(target, readFileSync(join(shipped, file)), PUBLIC);
  }
}

/**
 * Reads every `NAME.json` of a directory.
 *
 * @param issuers those there are; a profile's must be among them, and active. Not asked when left out.
 * @throws Refusal CONFIG_INVALID, naming every fault of every file.
 */
export function loadProfiles(
  directory: string,
  issuers?: readonly Pick<IssuerRecord, "name" | "role" | "status">[],
): ReadonlyMap<string, Profile> {
  const profiles = new Map<string, Profile>();
  const faults: string[] = [];
  for (const file of profileFiles(directory)) {
    const read = readProfile(join(directory, file));
    faults.push(...read.faults.map((fault) => `${file}: ${fault}`));
    if (!read.profile) continue;
    profiles.set(read.profile.name, read.profile);
    const fault = issuers && issuerFault(read.profile, issuers);
    if (fault !== undefined) faults.push(`${file}: ${fault}`);
  }
  if (profiles.size === 0 && faults.length === 0) faults.push(`${directory} holds no profile`);
  if (faults.length > 0) {
    throw new Refusal("CONFIG_INVALID", `The profiles are not valid: ${faults.join("; ")}.`);
  }
  return profiles;
}

/** Reads one `NAME.json`, and says everything that is wrong with it. */
export function readProfile(path: string): { profile?: Profile; faults: readonly string[] } {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return { faults: [(error as Error).message] };
  }
  const name = parsed(parseSlug).safeParse(basename(path, ".json"));
  const body = schema.safeParse(raw);
  const issues = [...(name.error?.issues ?? []), ...(body.error?.issues ?? [])];
  const faults = issues.map(({ path: at, message }) => `${at.join(".")} ${message}`.trim());
  faults.push(...profileFaults(soundFields(schema.shape, raw)));
  if (!name.success || !body.success || faults.length > 0) return { faults };
  return { profile: { ...body.data, name: name.data, description: body.data.description }, faults };
}

function issuerFault(
  profile: Profile,
  issuers: readonly Pick<IssuerRecord, "name" | "role" | "status">[],
): string | undefined {
  const found = issuers.find(({ name, role }) => name === profile.issuer && role === "issuing");
  if (!found) return `issuer '${profile.issuer}' does not exist`;
  return found.status === "active" ? undefined : `issuer '${profile.issuer}' is retired`;
}

function profileFiles(directory: string): string[] {
  try {
    return readdirSync(directory).filter((file) => file.endsWith(".json"));
  } catch {
    return [];
  }
}

function isUnique(items: readonly unknown[]): boolean {
  return new Set(items).size === items.length;
}
