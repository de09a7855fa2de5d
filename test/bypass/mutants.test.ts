import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { projectRoot, run } from "../support/run.ts";
import { bypassFiles, findMutants, rowOf, unexplained } from "./mutants.ts";

// Whether each mutant is caught, `npm run test:mutants` says: here, only that it could be tried.
const mutants = findMutants();

test("every mutant applies to the sources as they are", async () => {
  const patches = mutants.map(({ patch }) => patch);
  expect(patches.length).toBeGreaterThan(10);
  const checked = await Promise.all(
    patches.map((patch) => run("git", ["apply", "--check", patch], { cwd: projectRoot })),
  );
  expect(patches.filter((_patch, index) => checked[index]?.code !== 0)).toEqual([]);
});

test("and names a file of the suite, and why that must fail", () => {
  const wrong = mutants.filter(({ test, why }) => why === "" || !existsSync(join(projectRoot, test)));
  expect(wrong).toEqual([]);
});

test("every file of the suite is in the README, with a mutant or a reason", () => {
  const files = bypassFiles();
  expect(files.filter((file) => rowOf(basename(file, ".test.ts")) === undefined)).toEqual([]);
  expect(unexplained(files, mutants)).toEqual([]);
  expect(mutants.filter(({ name }) => rowOf(name) === undefined)).toEqual([]);
});
