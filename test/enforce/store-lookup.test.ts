import { randomBytes } from "node:crypto";
import { beforeEach, expect, test, vi } from "vitest";
import type { Credential } from "../../src/domain/decision.ts";
import {
  type Fingerprint,
  parseFingerprint,
  parseIssuerId,
  parseSerial,
} from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { StoreLookup } from "../../src/enforce/store-lookup.ts";
import { START, type TestClock, testClock } from "../support/issuing.ts";

const someFingerprint = (): Fingerprint => parseFingerprint(randomBytes(32).toString("hex"));

const credential: Credential = {
  fingerprint: someFingerprint(),
  issuer: parseIssuerId("0".repeat(40)),
  serial: parseSerial("1"),
  notBefore: START,
  notAfter: START + HOUR,
  scopes: undefined,
  status: "active",
  limits: undefined,
  account: {
    ...{ slug: parseSlug("orders"), status: "active", scopes: [] },
    ...{ allowsAddress: undefined, rate: undefined, maxConnections: undefined },
  },
};

let clock: TestClock;
const fetch = vi.fn<(fingerprint: Fingerprint) => Promise<Credential | undefined>>();
beforeEach(() => {
  clock = testClock();
  fetch.mockReset().mockResolvedValue(undefined);
});

test("asks the store, and gives what it has", async () => {
  fetch.mockResolvedValue(credential);
  const lookup = new StoreLookup(fetch, clock);
  expect(await lookup.find(credential.fingerprint)).toBe(credential);
  expect(fetch.mock.calls).toEqual([[credential.fingerprint]]);
});

test("asks once for those who ask at the same time", async () => {
  const answer = Promise.withResolvers<Credential | undefined>();
  fetch.mockReturnValue(answer.promise);
  const lookup = new StoreLookup(fetch, clock);
  const found = Promise.all(Array.from({ length: 50 }, () => lookup.find(credential.fingerprint)));
  void lookup.find(someFingerprint());
  expect(fetch).toHaveBeenCalledTimes(2);
  answer.resolve(credential);
  expect(new Set(await found)).toEqual(new Set([credential]));
});

test("believes a miss for a second, and then asks again", async () => {
  const lookup = new StoreLookup(fetch, clock);
  const fingerprint = someFingerprint();
  expect(await lookup.find(fingerprint)).toBeUndefined();
  clock.advance(SECOND - 1);
  expect(await lookup.find(fingerprint)).toBeUndefined();
  expect(fetch).toHaveBeenCalledTimes(1);
  clock.advance(1);
  fetch.mockResolvedValue(credential);
  expect(await lookup.find(fingerprint)).toBe(credential);
  expect(fetch).toHaveBeenCalledTimes(2);
});

test("does not believe a miss that lies ahead of a clock that was set back", async () => {
  const lookup = new StoreLookup(fetch, clock);
  const fingerprint = someFingerprint();
  await lookup.find(fingerprint);
  clock.advance(-HOUR);
  await lookup.find(fingerprint);
  expect(fetch).toHaveBeenCalledTimes(2);
});

test("a store that fails is unavailable, not a miss, and is asked again at once", async () => {
  const lookup = new StoreLookup(fetch, clock);
  fetch.mockRejectedValueOnce(new Error("the database is gone"));
  expect(await lookup.find(credential.fingerprint)).toBe("unavailable");
  fetch.mockResolvedValue(credential);
  expect(await lookup.find(credential.fingerprint)).toBe(credential);
});

async function askFor(lookup: StoreLookup, count: number): Promise<{ asked: number; unavailable: number }> {
  fetch.mockClear();
  const found = await Promise.all(Array.from({ length: count }, () => lookup.find(someFingerprint())));
  return { asked: fetch.mock.calls.length, unavailable: found.filter((one) => one === "unavailable").length };
}

test("asks 100 times at once at most, and 50 times a second after that; the rest is unavailable", async () => {
  const lookup = new StoreLookup(fetch, clock);
  expect(await askFor(lookup, 150)).toEqual({ asked: 100, unavailable: 50 });
  clock.advance(SECOND);
  expect(await askFor(lookup, 60)).toEqual({ asked: 50, unavailable: 10 });
  clock.advance(20);
  expect(await askFor(lookup, 5)).toEqual({ asked: 1, unavailable: 4 });
  clock.advance(MINUTE);
  expect(await askFor(lookup, 150)).toEqual({ asked: 100, unavailable: 50 });
});

test("many calls within a moment don't add up to more than the rate", async () => {
  const lookup = new StoreLookup(fetch, clock);
  await askFor(lookup, 100);
  let asked = 0;
  for (let i = 0; i < 1000; i++) {
    clock.advance(1);
    asked += (await askFor(lookup, 1)).asked;
  }
  expect(asked).toBeGreaterThanOrEqual(49);
  expect(asked).toBeLessThanOrEqual(50);
});

test("a clock that is set back allows no more than before", async () => {
  const lookup = new StoreLookup(fetch, clock);
  await askFor(lookup, 100);
  clock.advance(-HOUR);
  expect(await askFor(lookup, 10)).toEqual({ asked: 0, unavailable: 10 });
  clock.advance(SECOND);
  expect(await askFor(lookup, 60)).toEqual({ asked: 50, unavailable: 10 });
});

test("a miss that is remembered takes nothing from the allowance", async () => {
  const lookup = new StoreLookup(fetch, clock);
  const fingerprint = someFingerprint();
  for (let i = 0; i < 200; i++) expect(await lookup.find(fingerprint)).toBeUndefined();
  expect(await askFor(lookup, 100)).toEqual({ asked: 99, unavailable: 1 });
  expect(await lookup.find(fingerprint)).toBeUndefined();
});
