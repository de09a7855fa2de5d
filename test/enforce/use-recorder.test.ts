import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Decision } from "../../src/domain/decision.ts";
import type { DenialCode } from "../../src/domain/errors.ts";
import { parseFingerprint, parseIssuerId, parseSerial } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { CredentialUse } from "../../src/domain/use.ts";
import { AccountCounts } from "../../src/enforce/account-counts.ts";
import { UseRecorder } from "../../src/enforce/use-recorder.ts";
import { UseWriter } from "../../src/services/record-use.ts";
import { START, testLogger } from "../support/issuing.ts";

const fingerprintOf = (who: number) => parseFingerprint(String(who).repeat(64));
const accountOf = (who: number) => parseSlug(`account-${String(who % 2)}`);
const asRequest = (agent = "curl/8"): IncomingMessage => {
  const seen: unknown = {
    rawHeaders: ["Host", "x", "User-Agent", agent],
  };
  return seen as IncomingMessage;
};
const decided = (who: number, code: DenialCode | undefined): Decision => {
  const known = { fingerprint: fingerprintOf(who), account: accountOf(who) };
  if (code) return { allowed: false, code, ...known };
  const serial = parseSerial("1");
  const caller = { ...known, serial, issuer: parseIssuerId("0".repeat(40)), scopes: [], notAfter: START };
  return { allowed: true, caller };
};

const outcome = fc.constantFrom(undefined, "SCOPE_MISSING" as const);
const step = fc.oneof(
  fc.record({ who: fc.nat(4), decisions: fc.array(outcome, { minLength: 1, maxLength: 3 }) }),
  fc.constant("written" as const),
  fc.constant("failed" as const),
);

test("counts each request once, and loses nothing that could not be written at first", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const accounts = new AccountCounts();
      const recorder = new UseRecorder(accounts);
      const model = new Map<string, { requests: number; denials: number; lastAt: number | undefined }>();
      const written = new Map<string, { requests: number; denials: number; lastAt: number | undefined }>();
      const write = (uses: readonly CredentialUse[]): void => {
        for (const { fingerprint, requests, denials, lastAt } of uses) {
          const sum = written.get(fingerprint) ?? { requests: 0, denials: 0, lastAt: undefined };
          written.set(fingerprint, {
            requests: sum.requests + requests,
            denials: sum.denials + denials,
            lastAt: lastAt ?? sum.lastAt,
          });
        }
      };
      for (const [index, one] of steps.entries()) {
        if (one === "written") write(recorder.take());
        else if (one === "failed") {
          const taken = recorder.take();
          write(taken.slice(0, 1));
          recorder.giveBack(taken.slice(1));
        } else {
          const request = asRequest();
          for (const code of one.decisions)
            recorder.count(request, decided(one.who, code), START + index, "192.0.2.1");
          const before = model.get(fingerprintOf(one.who)) ?? { requests: 0, denials: 0, lastAt: undefined };
          model.set(fingerprintOf(one.who), {
            requests: before.requests + 1,
            denials: before.denials + (one.decisions.some(Boolean) ? 1 : 0),
            lastAt: one.decisions[0] === undefined ? START + index : before.lastAt,
          });
        }
      }
      write(recorder.take());
      expect(written).toEqual(model);
      const all = [...model.values()].reduce((sum, { requests }) => sum + requests, 0);
      expect([...accounts.entries()].reduce((sum, [, { requests }]) => sum + requests, 0)).toBe(all);
    }),
  );
});

test("does not count for anybody whose certificate is not on record", () => {
  const recorder = new UseRecorder();
  const stranger = { fingerprint: fingerprintOf(1), account: undefined };
  recorder.count(asRequest(), { allowed: false, code: "CERT_UNKNOWN", ...stranger }, START, "192.0.2.1");
  expect(recorder.take()).toEqual([]);
});

test("keeps of what a client calls itself 200 characters, and no control characters", () => {
  const recorder = new UseRecorder();
  recorder.count(asRequest(`a\u0085\u001b[2J${"b".repeat(500)}`), decided(1, undefined), START, "192.0.2.1");
  expect(recorder.take()[0]?.agent).toBe(`a[2J${"b".repeat(194)}`);
});

test("counts what comes after 1,000 accounts together, apart from an account of any name", () => {
  const counts = new AccountCounts();
  counts.of(parseSlug("other")).requests = 7;
  for (let i = 0; i < 1100; i++) counts.of(parseSlug(`a${String(i)}`)).requests++;
  const entries = new Map(counts.entries());
  expect([entries.size, entries.get("_other")?.requests]).toEqual([1001, 101]);
  expect(entries.get("other")?.requests).toBe(7);
  expect(() => parseSlug("_other")).toThrow(); // nobody is called so
});

test("is written in chunks; what fails is kept, said once, and written later", async () => {
  const recorder = new UseRecorder();
  const uses = Array.from({ length: 1200 }, (_, i) => ({
    fingerprint: parseFingerprint(i.toString(16).padStart(64, "0")),
    account: accountOf(i),
    ...{ lastAt: START, address: "192.0.2.1", agent: "curl/8", requests: 1, denials: 0 },
  }));
  recorder.giveBack(uses);
  const sizes: number[] = [];
  let isDown = true;
  const logger = testLogger();
  const store = {
    add: (chunk: readonly CredentialUse[]) => {
      if (isDown && sizes.length === 1) return Promise.reject(new Error("down"));
      sizes.push(chunk.length);
      return Promise.resolve();
    },
  };
  const writer = new UseWriter({ source: recorder, store, logger });
  await writer.flush();
  await writer.flush();
  expect(sizes).toEqual([500]);
  expect(recorder.size).toBe(700);
  isDown = false;
  await writer.stop();
  expect(sizes).toEqual([500, 500, 200]);
  expect(recorder.size).toBe(0);
});
