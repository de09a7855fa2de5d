#!/usr/bin/env node
// Plain JavaScript that any Node runs: it finds the source or the build, and a Node new enough for it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => new URL(path, import.meta.url);
// A checkout has sources, which run as they are; a published package has only the build.
const entry = here(existsSync(here("../src")) ? "../src/cli/main.ts" : "../dist/cli/main.js");
const [major, minor] = process.versions.node.split(".").map(Number);
const pinned = here("../node_modules/node/bin/node");

if (major > 24 || (major === 24 && minor >= 8)) {
  await import(entry.href);
} else if (existsSync(pinned)) {
  const child = spawn(fileURLToPath(pinned), [fileURLToPath(entry), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal ? 1 : code));
} else {
  console.error(`countersign needs Node 24.8 or newer; this is ${process.version}.`);
  process.exit(1);
}
