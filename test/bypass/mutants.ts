import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { projectRoot } from "../support/run.ts";

const FOLDER = "test/bypass";

/** A patch that takes out one defence. */
export interface Mutant {
  readonly name: string;
  /** Paths in the project. */
  readonly patch: string;
  /** The file that must fail with it. */
  readonly test: string;
  readonly why: string;
}

/** Every patch; `test` and `why` are empty where its first lines do not say them. */
export function findMutants(): Mutant[] {
  return sorted(`${FOLDER}/mutants/*.patch`).map((patch) => {
    const text = readFileSync(join(projectRoot, patch), "utf8");
    const said = (what: string): string => new RegExp(`^# ${what}: (.+)$`, "m").exec(text)?.[1] ?? "";
    return { name: basename(patch, ".patch"), patch, test: said("test"), why: said("why") };
  });
}

/** The files of the suite; not the one that looks after the mutants themselves. */
export function bypassFiles(): string[] {
  return sorted(`${FOLDER}/*.test.ts`).filter((file) => !file.endsWith("/mutants.test.ts"));
}

/** The row of the README that names a file (or a mutant); `undefined` when there is none. */
export function rowOf(name: string): string | undefined {
  const readme = readFileSync(join(projectRoot, FOLDER, "README.md"), "utf8");
  return readme.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${name}\``));
}

/** The files that no mutant names and whose row does not say `none: …` for a reason. */
export function unexplained(files: readonly string[], mutants: readonly Mutant[]): string[] {
  return files.filter(
    (file) =>
      !mutants.some(({ test }) => test === file) &&
      !/\| none: \S/.test(rowOf(basename(file, ".test.ts")) ?? ""),
  );
}

function sorted(pattern: string): string[] {
  return globSync(pattern, { cwd: projectRoot }).sort();
}
