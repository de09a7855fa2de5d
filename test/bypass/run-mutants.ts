// npm run test:mutants -- [NAME…]: takes out one defence at a time, and requires a test to notice.
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot, run } from "../support/run.ts";
import { type Mutant, bypassFiles, findMutants, unexplained } from "./mutants.ts";

/** At once: each has a service, clients and a test runner. */
const WORKERS = 2;

type Verdict = "caught" | "SURVIVED" | "does not apply" | "broken";

interface Outcome {
  readonly tests: readonly string[];
  readonly failed: readonly string[];
  readonly output: string;
}

/** A copy of the sources that a mutant is put into. */
class Field {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async make(): Promise<Field> {
    const path = await mkdtemp(join(tmpdir(), "countersign-mutant-"));
    for (const name of ["src", "test", "ca/profiles", "package.json"])
      await cp(join(projectRoot, name), join(path, name), { recursive: true });
    await symlink(join(projectRoot, "node_modules"), join(path, "node_modules"));
    // Without PostgreSQL: no file of the suite needs it, and it would be started for every mutant.
    const test = { include: ["test/bypass/*.test.ts"], testTimeout: 30_000, hookTimeout: 120_000 };
    const own = { globalSetup: ["test/support/home-template.ts"], maxWorkers: WORKERS };
    const config = { cacheDir: join(path, "cache"), test: { ...test, ...own } };
    await writeFile(join(path, "vitest.config.js"), `export default ${JSON.stringify(config)};\n`);
    return new Field(path);
  }

  async try(mutant: Mutant): Promise<{ readonly verdict: Verdict; readonly detail: string }> {
    const applied = await this.#apply(mutant);
    if (applied !== "") return { verdict: "does not apply", detail: applied };
    try {
      const { tests, failed, output } = await this.test([mutant.test]);
      if (tests.length === 0) return { verdict: "broken", detail: output.slice(-2000) };
      return failed.length > 0
        ? { verdict: "caught", detail: `${String(failed.length)} of ${String(tests.length)} fail` }
        : { verdict: "SURVIVED", detail: mutant.why };
    } finally {
      await this.#apply(mutant, "--reverse");
    }
  }

  /** Runs files; what ran and what failed are tests, so what cannot even be loaded ran none. */
  async test(files: readonly string[]): Promise<Outcome> {
    const report = join(this.#path, "report.json");
    await rm(report, { force: true });
    const vitest = join(projectRoot, "node_modules/vitest/vitest.mjs");
    const reporter = ["--reporter", "json", "--outputFile", report];
    const ran = await run(process.execPath, [vitest, "run", ...reporter, ...files], { cwd: this.#path });
    const read = await readFile(report, "utf8").catch(() => '{"testResults":[]}');
    const { testResults } = JSON.parse(read) as Report;
    const ended = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status === "passed" || status === "failed");
    const failed = ended.filter(({ status }) => status === "failed");
    const couldNotRun = testResults.filter(({ status, message }) => status === "failed" && message !== "");
    return {
      tests: ended.map(({ fullName }) => fullName),
      failed: failed.map(({ fullName }) => fullName),
      output: [...couldNotRun.map(({ message }) => message), ran.stdout, ran.stderr].join("\n"),
    };
  }

  remove(): Promise<void> {
    return rm(this.#path, { recursive: true, force: true });
  }

  async #apply({ patch }: Mutant, ...options: string[]): Promise<string> {
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() };
    const args = ["apply", ...options, join(projectRoot, patch)];
    const { code, stderr } = await run("git", args, { cwd: this.#path, env });
    return code === 0 ? "" : stderr || "git apply failed";
  }
}

interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** @returns how many mutants were not caught */
async function tryAll(mutants: readonly Mutant[], fields: readonly Field[]): Promise<number> {
  const waiting = [...mutants];
  let missed = 0;
  const work = async (field: Field): Promise<void> => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const { verdict, detail } = await field.try(mutant);
      if (verdict !== "caught") missed++;
      console.log(`${verdict.padEnd(14)}  ${mutant.name.padEnd(34)}  ${detail}`);
    }
  };
  await Promise.all(fields.map(work));
  return missed;
}

async function main(names: readonly string[]): Promise<number> {
  const all = findMutants();
  const mutants = all.filter(({ name }) => names.length === 0 || names.includes(name));
  const unknown = names.filter((name) => !all.some((mutant) => mutant.name === name));
  if (unknown.length > 0) throw new Error(`no such mutant: ${unknown.join(", ")}`);
  const bare = unexplained(bypassFiles(), all);
  for (const file of bare) console.log(`${"NO MUTANT".padEnd(14)}  ${file}: nor a reason in the README`);
  const fields = await Promise.all(Array.from({ length: WORKERS }, () => Field.make()));
  try {
    const files = [...new Set(mutants.map(({ test }) => test))];
    const whole = await fields[0]?.test(files);
    if (!whole || whole.failed.length > 0 || whole.tests.length === 0 || whole.output.includes("Error: ")) {
      console.log(`without any mutant: ${whole?.failed.join("; ") ?? ""}\n${whole?.output ?? ""}`);
      return 1;
    }
    const missed = await tryAll(mutants, fields);
    console.log(`${String(mutants.length - missed)} of ${String(mutants.length)} mutants caught`);
    return missed + bare.length > 0 ? 1 : 0;
  } finally {
    await Promise.all(fields.map((field) => field.remove()));
  }
}

process.exitCode = await main(process.argv.slice(2));
