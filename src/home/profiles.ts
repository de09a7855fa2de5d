import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { keyTypes } from "../domain/key-policy.ts";
import { parseSlug } from "../domain/names.ts";
import { LONGEST_LIFE, type Profile } from "../domain/profile.ts";
import { parseDuration } from "../domain/time.ts";

const shipped = join(import.meta.dirname, "..", "..", "ca", "profiles");

const duration = z.string().transform((text, context) => {
  try {
    return parseDuration(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

const schema = z
  .strictObject({
    description: z.string().optional(),
    keyTypes: z.array(z.enum(keyTypes)).min(1),
    life: z.strictObject({ default: duration, max: duration }),
    extendedKeyUsage: z.array(z.enum(["clientAuth", "serverAuth"])).min(1),
  })
  .refine(({ life }) => life.max <= LONGEST_LIFE, "life.max is more than 90d")
  .refine(({ life }) => life.default <= life.max, "life.default is more than life.max");

/** Copies the profiles that this package ships into a home, and leaves those that are there alone. */
export function layOutProfiles(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(shipped)) {
    const target = join(directory, file);
    if (!existsSync(target)) copyFileSync(join(shipped, file), target);
  }
}

/**
 * Reads every `NAME.json` of a directory.
 *
 * @throws Refusal CONFIG_INVALID, naming every fault of every file.
 */
export function loadProfiles(directory: string): ReadonlyMap<string, Profile> {
  const profiles = new Map<string, Profile>();
  const faults: string[] = [];
  for (const file of profileFiles(directory)) {
    try {
      const profile = parseProfile(basename(file, ".json"), readFileSync(join(directory, file), "utf8"));
      profiles.set(profile.name, profile);
    } catch (error) {
      faults.push(`${file}: ${(error as Error).message}`);
    }
  }
  if (profiles.size === 0 && faults.length === 0) faults.push(`${directory} holds no profile`);
  if (faults.length > 0)
    throw new Refusal("CONFIG_INVALID", `The profiles are not valid: ${faults.join("; ")}.`);
  return profiles;
}

function profileFiles(directory: string): string[] {
  try {
    return readdirSync(directory).filter((file) => file.endsWith(".json"));
  } catch {
    return [];
  }
}

function parseProfile(name: string, text: string): Profile {
  const result = schema.safeParse(JSON.parse(text));
  if (!result.success) {
    throw new Error(
      result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`.trim()).join(", "),
    );
  }
  const { keyTypes: types, life, extendedKeyUsage } = result.data;
  return { name: parseSlug(name), keyTypes: types, life, extendedKeyUsage };
}
