import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Step } from "../../src/services/issue/parts.ts";
import { TestDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { type TestIssuing, expectRefusal, freshAccount } from "../support/issuing.ts";
import { whileLocked } from "../support/lock-holder.ts";
import { type CuttableWay, cuttableWay } from "../support/outage.ts";
import {
  CLIENTS,
  type Client,
  type Outcome,
  type Scene,
  enrolAll,
  expectHonest,
  expectRecovered,
  issuedIn,
  sceneOn,
  unavailable,
} from "../support/outage-scene.ts";
import { openWithPragmas } from "../support/pragmas.ts";

/** An SQLite file, a database on it whose pragmas can be set, and a scene there. */
async function onSqlite() {
  const records = new TestDatabase("SQLite");
  await records.create();
  onTestFinished(() => records.remove());
  await records.open();
  const file = "file" in records.location ? records.location.file : "";
  const { database, pragma } = await openWithPragmas(file);
  onTestFinished(() => database.close());
  return { ...(await sceneOn(records, database)), file, pragma };
}

test("an SQLite that is full refuses, signs nothing off its record, and goes on once there is room", async () => {
  const scene = await onSqlite();
  const clients = await scene.clients(3 * CLIENTS);
  const [pages] = await scene.records.query("PRAGMA page_count");
  await scene.pragma("max_page_count", Number(pages?.["page_count"]) + 20);
  const outcomes: Outcome[] = [];
  while (outcomes.length < clients.length) {
    outcomes.push(...(await enrolAll(scene.parts, clients.slice(outcomes.length, outcomes.length + 8))));
  }
  const issued = issuedIn(outcomes);
  expect(issued).not.toEqual([]);
  expect(issued.length).toBeLessThan(clients.length);
  await expectHonest(scene, issued);
  await scene.pragma("max_page_count", 4_294_967_294);
  await expectRecovered(scene, outcomes);
});

test("an SQLite that another process has locked is waited for, within the busy timeout", async () => {
  const scene = await onSqlite();
  const clients = await scene.clients();
  let settled = 0;
  const outcomes = await whileLocked(scene.file, async () => {
    const enrolling = enrolAll(scene.parts, clients).finally(() => (settled += 1));
    await sleep(500);
    expect(settled).toBe(0);
    expect(await scene.records.database.certificates.list({})).toEqual([]);
    return { enrolling };
  });
  await expectRecovered(scene, await outcomes.enrolling);
  expect(issuedIn(await outcomes.enrolling)).toHaveLength(CLIENTS);
});

const firstRefused: [string, (scene: Scene, clients: readonly Client[]) => Promise<unknown>][] = [
  ["an enrolment", ({ parts }, clients) => enrolAll(parts, clients)],
  ["another transaction", ({ parts }) => expectRefusal(freshAccount(parts), "UNAVAILABLE", unavailable)],
];

test.each(firstRefused)(
  "an SQLite locked for too long for %s keeps all that is acknowledged later",
  async (_name, ask) => {
    const scene = await onSqlite();
    const clients = await scene.clients();
    await scene.pragma("busy_timeout", 50);
    await whileLocked(scene.file, () => ask(scene, clients));
    expect(scene.signed).toEqual([]);
    await scene.pragma("busy_timeout", 10_000);
    const outcomes = await enrolAll(scene.parts, clients);
    expect(issuedIn(outcomes)).toHaveLength(CLIENTS);
    await expectHonest(scene, issuedIn(outcomes));
    await freshAccount(scene.parts);
    await expectRecovered(scene, outcomes);
  },
);

/** Does something when a step is reached for the nth time. */
function atStep(parts: TestIssuing, step: Step, nth: number, act: () => void): TestIssuing {
  let count = 0;
  const onStep = (reached: Step): void => {
    if (reached === step && ++count === nth) act();
  };
  return { ...parts, onStep };
}

describe("a PostgreSQL", () => {
  const records = new TestDatabase("PostgreSQL");
  let way: CuttableWay;
  beforeAll(async () => {
    await records.create();
    await records.open();
    way = await cuttableWay("url" in records.location ? records.location.url : "");
  });
  afterAll(async () => {
    await records.remove();
    await way.close();
  });

  /** Some enrol before the outage, the others in its midst. */
  const enrolAround = async (scene: Scene, step: Step, act: () => void): Promise<Outcome[]> => {
    const clients = await scene.clients();
    const early = await enrolAll(scene.parts, clients.slice(0, 10));
    expect(issuedIn(early)).toHaveLength(10);
    const late = await enrolAll(atStep(scene.parts, step, 15, act), clients.slice(10));
    expect(issuedIn(late).length).toBeLessThan(late.length);
    await expectHonest(scene, issuedIn([...early, ...late]));
    return [...early, ...late];
  };

  test.each<Step>(["parse", "intent", "sign", "record"])(
    "cut off before '%s' loses nothing, and all go through after it",
    async (step) => {
      const scene = await sceneOn(records, await records.openAt({ url: way.url }));
      const further = await scene.clients();
      const outcomes = await enrolAround(scene, step, () => {
        way.cut();
      });
      const meanwhile = await enrolAll(scene.parts, further);
      await way.mend();
      expect(issuedIn(meanwhile)).toEqual([]);
      await expectRecovered(scene, [...outcomes, ...meanwhile]);
    },
  );

  test("that falls silent is not waited for for ever, and all go through after it", async () => {
    const scene = await sceneOn(records, await records.openAt({ url: way.url, timeout: 1500 }));
    const silence = Promise.withResolvers<undefined>();
    const outcomes = await enrolAround(scene, "sign", () => {
      void way.whileSilent(() => silence.promise);
    });
    silence.resolve(undefined);
    // An attempt to connect that began meanwhile may still have to give up.
    await eventually(async () => {
      expect(await scene.parts.database.changes.last()).toBeGreaterThan(0);
    });
    await expectRecovered(scene, outcomes);
  });
});
