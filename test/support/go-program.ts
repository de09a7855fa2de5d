import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { projectRoot, runOk } from "./run.ts";

/** What Go compiles with: the standard library alone, compiled once; nothing is downloaded. */
export const goEnvironment = {
  ...process.env,
  GOCACHE: join(projectRoot, "node_modules/.cache/go"),
  GOPROXY: "off",
  GOTOOLCHAIN: "local",
  CGO_ENABLED: "0",
};

/** Compiles a program of one file into a folder, if it is not there; returns its path. */
export async function goProgram(source: string, folder: string): Promise<string> {
  const program = join(folder, basename(source, ".go"));
  const env = { ...goEnvironment, GO111MODULE: "off" };
  if (!existsSync(program)) await runOk("go", ["build", "-buildvcs=false", "-o", program, source], { env });
  return program;
}
