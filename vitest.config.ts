import { globSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import LongFirst from "./test/support/long-first.ts";

/** Files that change what is the whole process's, or have processes to wait for, share their own with no other file. */
const alone = [
  "test/*.test.ts",
  "test/{cli,interop,soak}/*.test.ts",
  ...globSync("test/**/*.test.ts", { cwd: import.meta.dirname }).filter((file) =>
    /vi\.(mock|useFakeTimers|stub)|HeldTimers|process\.on/.test(
      readFileSync(join(import.meta.dirname, file), "utf8"),
    ),
  ),
];

/** What `enroll` remembers is for nobody's own home; test/support/config-home.ts takes it away, and finds it here. */
const configHome = join(tmpdir(), `countersign-test-config-${String(process.pid)}`);
process.env["XDG_CONFIG_HOME"] = configHome;

const common = {
  env: {
    XDG_CONFIG_HOME: configHome,
    // A server that shares a busy machine with the tests answers late, and is to be waited for.
    COUNTERSIGN_WAIT_SECONDS: "25",
    // Hundreds of processes read the same sources.
    NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled"),
  },
  // None comes near it on a quiet machine: it is for what hangs, and not for what is slow on a busy one.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 60_000 } },
};

/** What is imported by the package's name is this checkout's, and not what was built of it. */
const resolve = {
  alias: [
    { find: /^countersign$/, replacement: join(import.meta.dirname, "src/index.ts") },
    { find: /^countersign\/client$/, replacement: join(import.meta.dirname, "src/client/index.ts") },
  ],
};

export default defineConfig({
  test: {
    globalSetup: ["test/support/config-home.ts", "test/support/postgres.ts", "test/support/home-template.ts"],
    reporters: ["default", "./test/support/closing-line.ts"],
    sequence: { sequencer: LongFirst },
    // Real servers and child processes, with some waiting between: on two cores, a fourth would only make the others wait.
    maxWorkers: 3,
    projects: [
      { resolve, test: { ...common, name: "alone", include: alone } },
      // A process and its modules for each file would cost more than most of the tests.
      {
        resolve,
        test: { ...common, name: "shared", include: ["test/**/*.test.ts"], exclude: alone, isolate: false },
      },
    ],
  },
});
