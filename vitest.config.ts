import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/postgres.ts", "test/support/made-home.ts"],
    reporters: ["default", "./test/support/closing-line.ts"],
    env: {
      // A server that shares a busy machine with the tests answers late, and is to be waited for.
      COUNTERSIGN_WAIT_SECONDS: "25",
      // Hundreds of processes read the same sources.
      NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled"),
    },
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Real servers and child processes, with some waiting between: on two cores, a fourth would only make the others wait.
    maxWorkers: 3,
  },
});
