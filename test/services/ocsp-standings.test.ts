import { expect, test } from "vitest";
import { type Serial, fingerprintOf, parseIssuerId, parseSerial } from "../../src/domain/identifiers.ts";
import type { Standing } from "../../src/domain/ocsp.ts";
import type { Stores } from "../../src/domain/ports.ts";
import type { Change, ChangeAction } from "../../src/domain/records.ts";
import { type Kept, Standings } from "../../src/services/ocsp/standings.ts";

// What is kept in memory, and for how long; how it fares with a database is in ocsp.test.ts.

const issuer = parseIssuerId("ab".repeat(20));
const serialOf = (number: number): Serial => parseSerial((number + 1).toString(16));
const MEBI = 1024 * 1024;

interface Answer {
  readonly der: Uint8Array;
}

/** Every serial number is on record, with a fingerprint of its own. */
function setUp() {
  const asked: Serial[] = [];
  const standingOf = (serial: Serial): Standing => ({
    ...{ serial, fingerprint: fingerprintOf(Buffer.from(serial)), account: undefined, revocation: undefined },
  });
  const standings = (_issuer: unknown, serials: readonly Serial[]): Promise<Standing[]> => {
    asked.push(...serials);
    return Promise.resolve(serials.map(standingOf));
  };
  const memory = new Standings<Answer>({ certificates: { standings } } as unknown as Stores);
  const find = async (number: number): Promise<Kept<Answer>> => {
    const kept = (await memory.find(issuer, [serialOf(number)])).get(serialOf(number));
    if (!kept) throw new Error("it is on record");
    return kept;
  };
  /** Whether it was in memory. */
  const has = async (number: number): Promise<boolean> => {
    const before = asked.length;
    await find(number);
    return asked.length === before;
  };
  return { memory, find, has };
}

function change(action: ChangeAction, subject: string): Change {
  return { sequence: 1, time: 0, actor: "test", action, subject, detail: {} };
}

test("what was asked is kept; the oldest goes when there are too many", async () => {
  const { memory, has } = setUp();
  const many = Array.from({ length: 50_000 }, (_each, number) => serialOf(number));
  await memory.find(issuer, many);
  expect(await has(0)).toBe(true);
  expect(await has(50_000)).toBe(false);
  expect([await has(1), await has(49_999), await has(0)]).toEqual([true, true, false]);
});

test("the oldest goes when the answers take too much room, and room is given back", async () => {
  const { memory, find, has } = setUp();
  const large = (): Answer => ({ der: Buffer.allocUnsafe(12 * MEBI) });
  for (const number of [0, 1]) memory.keepAnswer(await find(number), "a", large());
  memory.keepAnswer(await find(1), "a", large()); // in the other's place
  expect([await has(0), await has(1)]).toEqual([true, true]);
  memory.keepAnswer(await find(2), "a", large());
  expect([await has(1), await has(2), await has(0)]).toEqual([true, true, false]);
  memory.onChanges([change("certificate.revoke", (await find(1)).standing.fingerprint)]);
  memory.keepAnswer(await find(3), "a", large());
  expect([await has(2), await has(3), await has(1)]).toEqual([true, true, false]);
});

test("an answer of what has changed since is not kept", async () => {
  const { memory, find } = setUp();
  const before = await find(0);
  memory.onChanges([change("certificate.suspend", before.standing.fingerprint)]);
  memory.keepAnswer(before, "a", { der: Buffer.alloc(1) });
  const after = await find(0);
  memory.keepAnswer(before, "b", { der: Buffer.alloc(1) });
  expect([after.answers.size, before.answers.size]).toEqual([0, 0]);
});

test("only what changes how a certificate stands has it asked again", async () => {
  const { memory, find, has } = setUp();
  const { fingerprint } = (await find(0)).standing;
  const harmless = [
    "certificate.issue",
    "certificate.intend",
    "account.update",
    "key.block",
    "crl.publish",
  ] as const;
  memory.onChanges(harmless.map((action) => change(action, fingerprint)));
  expect(await has(0)).toBe(true);
  for (const action of [
    "certificate.revoke",
    "certificate.suspend",
    "certificate.resume",
    "issuer.retire",
  ] as const) {
    memory.onChanges([change(action, fingerprint)]);
    expect(await has(0), action).toBe(false);
  }
});
