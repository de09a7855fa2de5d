import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { spkiHashOf } from "../../src/domain/identifiers.ts";
import type { KeyPair } from "../../src/domain/key-policy.ts";
import type { Issuer } from "../../src/domain/ports.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { type DatabaseKind, TestDatabase } from "../support/databases.ts";
import { HeldTimers } from "../support/held-timers.ts";
import { csrOf, freshAccount, makeIssuing, signRecord } from "../support/issuing.ts";
import { KEYS, type Sequence, example, sequences } from "../support/story/commands.ts";
import type { Lists } from "../support/story/lists.ts";
import { type Props, Story } from "../support/story/play.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

// What failed is played again with COUNTERSIGN_REPLAY='SEED PATH', as they were printed. `npm run soak:story` sets
// COUNTERSIGN_SOAK to how many sequences there are to be on SQLite.
const soaking = Number(process.env["COUNTERSIGN_SOAK"] ?? 0);
const [seed, path] = process.env["COUNTERSIGN_REPLAY"]?.split(" ") ?? [];
const numbers: Readonly<Record<DatabaseKind, number>> = soaking
  ? { SQLite: soaking, PostgreSQL: Math.ceil(soaking / 50) }
  : { SQLite: 20, PostgreSQL: 4 };
const LIMIT = soaking ? 4 * HOUR : 2 * MINUTE;
const REPORT = 1000;

describe.each(["SQLite", "PostgreSQL"] as const)("database, memory, CRL and OCSP, %s", (kind) => {
  const timers = new HeldTimers();
  let workspace: Workspace;
  let template: string | undefined;
  let issuer: Issuer;
  let props: Props;

  beforeAll(async () => {
    workspace = await makeWorkspace();
    const empty = workspace.file("empty.sqlite");
    await (await openDatabase({ file: empty })).close();
    if (kind === "SQLite") template = empty;
    const db = new TestDatabase("SQLite");
    await db.create(empty);
    const parts = await makeIssuing(await db.open());
    ({ issuer } = parts);
    const pairs = await Promise.all(Array.from({ length: KEYS }, () => makeKeyPair("ec-p256")));
    const csrs = await Promise.all(
      pairs.map(async (pair) => ({ csr: await csrOf(pair), spkiHash: hashOf(pair) })),
    );
    const { slug: account } = await freshAccount(parts);
    const csr = await csrOf(await makeKeyPair("ec-p256"));
    const { der } = await signRecord(parts, parts.actor, { account, csr, profile: "client" });
    props = { csrs, stranger: new X509Certificate(der) };
    await db.remove();
  });
  afterAll(() => workspace.remove());

  test("tell the same story, of a sequence that has everything in it", async () => {
    expect(new Set(example.commands.map((command) => command.do)).size).toBe(14);
    const { applied, removed } = await play(example);
    expect([applied > 0, removed > 0]).toEqual([true, true]);
  });

  test("tell the same story, whatever happens", { timeout: LIMIT + MINUTE }, async () => {
    const begun = performance.now();
    const done = { sequences: 0, commands: 0, deltas: 0, removed: 0 };
    const report = (): void => {
      const seconds = Math.round((performance.now() - begun) / 1000);
      if (soaking) console.log(`${kind}, ${String(seconds)} s: ${JSON.stringify(done)}`);
    };
    const property = fc.asyncProperty(sequences, async (sequence) => {
      const { applied, removed } = await play(sequence);
      done.sequences += 1;
      done.commands += sequence.commands.length;
      done.deltas += applied;
      done.removed += removed;
      if (done.sequences % REPORT === 0) report();
    });
    await fc.assert(property, {
      numRuns: numbers[kind],
      interruptAfterTimeLimit: LIMIT,
      markInterruptAsFailure: true,
      ...(seed === undefined ? {} : { seed: Number(seed) }),
      ...(path === undefined ? {} : { path }),
    });
    report();
    if (seed !== undefined) return;
    expect(done.sequences).toBe(numbers[kind]);
  });

  /** In a database of its own. */
  const play = async (sequence: Sequence): Promise<Lists> => {
    const db = new TestDatabase(kind);
    await db.create(template);
    timers.hold();
    try {
      const parts = await makeIssuing(await db.open(), undefined, issuer);
      return (await Story.play(parts, timers, props, sequence)).lists;
    } finally {
      timers.release();
      await db.remove();
    }
  };
});

function hashOf({ publicKey }: KeyPair) {
  return spkiHashOf(publicKey.export({ format: "der", type: "spki" }));
}
