import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Fingerprint } from "../../src/domain/identifiers.ts";
import type { Database } from "../../src/domain/ports.ts";
import { CHUNK } from "../../src/services/change-many.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { freshHome } from "../support/fresh-home.ts";
import { putManyCertificates } from "../support/many-certificates.ts";
import { countersign, projectRoot } from "../support/run.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

const COUNT = 12_000;

describe(`a list of ${String(COUNT)} lines`, () => {
  let workspace: Workspace;
  let database: Database;
  let fingerprints: readonly Fingerprint[];
  const home = (): string => workspace.file("home");
  beforeAll(async () => {
    workspace = await makeWorkspace();
    await freshHome(home());
    database = await openDatabase({ file: join(home(), "countersign.sqlite") });
    ({ fingerprints } = await putManyCertificates(database, COUNT));
  });
  afterAll(async () => {
    await database.close();
    await workspace.remove();
  });

  const revokedNow = async (): Promise<Set<string>> =>
    new Set((await database.certificates.list({ status: "revoked" })).map(({ fingerprint }) => fingerprint));
  const write = (lines: readonly string[]): string => {
    const file = workspace.file("list.txt");
    writeFileSync(file, lines.join("\n"));
    return file;
  };

  test("whose command is killed has each line done or not done, and can be run again", async () => {
    const file = write(fingerprints);
    const before = await database.changes.last();
    const main = join(projectRoot, "src/cli/main.ts");
    const args = [
      main,
      "revoke",
      "--from-file",
      "-",
      "--reason",
      "superseded",
      "--progress",
      "--home",
      home(),
    ];
    const child = spawn(process.execPath, args, { stdio: "pipe" });
    const ended = once(child, "exit");
    child.stdin.on("error", () => undefined); // it is killed in the midst of it
    // All but the end: however fast it is, it waits for that.
    child.stdin.write(`${fingerprints.slice(0, COUNT - 1).join("\n")}\n`);
    const [progress] = (await once(createInterface(child.stderr), "line")) as [string];
    expect(progress).toBe("5000 lines: Revoked 5000");
    child.kill("SIGKILL");
    expect(await ended).toEqual([null, "SIGKILL"]);

    const done = await revokedNow();
    expect(done.size).toBeGreaterThanOrEqual(5000);
    expect(done.size).toBeLessThan(COUNT);
    expect(done.size % CHUNK).toBe(0);
    expect(new Set(fingerprints.slice(0, done.size))).toEqual(done);
    // What is on record of them is whole: one change for each, and nothing else.
    expect(await database.changes.last()).toBe(before + done.size);

    const again = await countersign(["revoke", "--from-file", file, "--json", "--home", home()]);
    expect(again).toMatchObject({ code: 0, stderr: "" });
    const { notDone, ...report } = JSON.parse(again.stdout) as { notDone: { line: number; code: string }[] };
    expect(report).toMatchObject({
      ...{ total: COUNT, changed: COUNT - done.size, alreadyRevoked: done.size, leftOut: done.size - 1000 },
    });
    expect(notDone).toHaveLength(1000);
    expect(notDone[0]).toMatchObject({ line: 1, code: "ALREADY_REVOKED" });
    expect((await revokedNow()).size).toBe(COUNT);
    expect(await database.changes.last()).toBe(before + COUNT);
  });

  test("says how far it has come, now and then, and not in JSON", async () => {
    const file = write(fingerprints);
    const [told, quiet, json] = [
      await countersign(["revoke", "--from-file", file, "--progress", "--home", home()]),
      await countersign(["revoke", "--from-file", file, "--home", home()]),
      await countersign(["revoke", "--from-file", file, "--progress", "--json", "--home", home()]),
    ];
    expect(told.stderr).toBe(
      "5000 lines: Revoked 0; 5000 revoked before\n10000 lines: Revoked 0; 10000 revoked before\n",
    );
    expect(quiet.stderr).toBe("");
    expect(json.stderr).toBe("");
    expect(told.stdout.trim().split("\n")).toHaveLength(1002);
    expect(told.stdout).toContain("… and 11000 more\n");
  });
});
