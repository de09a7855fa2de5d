import { rm } from "node:fs/promises";

/** Takes away what `enroll` remembered for the tests, in the folder that vitest.config.ts names. */
export default function setup(): () => Promise<void> {
  const folder = process.env["XDG_CONFIG_HOME"];
  if (!folder?.includes("countersign-test-config-"))
    throw new Error("the tests have no folder to remember in");
  return () => rm(folder, { recursive: true, force: true });
}
