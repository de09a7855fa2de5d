import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { projectRoot } from "./run.ts";

/**
 * An OpenSSL that knows ML-DSA, which it does from 3.5 on: the one on the PATH, the one that COUNTERSIGN_TEST_OPENSSL
 * names, or the one that `.ci/openssl-3.5` has fetched.
 */
export const opensslPq = [
  "openssl",
  process.env["COUNTERSIGN_TEST_OPENSSL"] ?? "",
  join(projectRoot, "node_modules", ".cache", "openssl-3.5", "openssl"),
].find(knowsMlDsa);

/** The program to run; without one, the running test is skipped. */
export function requireOpensslPq({ skip }: TestContext): string {
  if (opensslPq !== undefined) return opensslPq;
  return skip("no OpenSSL here knows ML-DSA: run .ci/openssl-3.5, or name one in COUNTERSIGN_TEST_OPENSSL");
}

function knowsMlDsa(program: string): boolean {
  if (program === "") return false;
  const { stdout } = spawnSync(program, ["list", "-signature-algorithms"], { encoding: "utf8" });
  return /ML-DSA-44/i.test(stdout || "");
}
