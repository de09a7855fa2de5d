import fc from "fast-check";
import { expect, test } from "vitest";
import type { Credential } from "../../src/domain/decision.ts";
import { parseFingerprint, parseIssuerId, parseSerial } from "../../src/domain/identifiers.ts";
import type { Rate } from "../../src/domain/call-limits.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { HOUR, SECOND } from "../../src/domain/time.ts";
import { RateLimiter } from "../../src/enforce/rate-limiter.ts";
import { ConnectionLimits } from "../../src/enforce/connection-limits.ts";
import { testClock } from "../support/issuing.ts";

function credential(digit: string, account: Rate | undefined, own?: Rate): Credential {
  const rest = { allowsAddress: undefined, maxConnections: undefined };
  return {
    ...{ fingerprint: parseFingerprint(digit.repeat(64)), issuer: parseIssuerId("0a".repeat(20)) },
    ...{ serial: parseSerial("1"), notBefore: 0, notAfter: HOUR, scopes: undefined, status: "active" },
    limits: own && { ...rest, rate: own },
    account: { ...rest, slug: parseSlug("orders"), status: "active", scopes: [], rate: account },
  };
}

const rate = (count: number, burst = count): Rate => ({ count, interval: SECOND, burst });

test("an account's credentials share its rate, and each has its own besides", () => {
  const limiter = new RateLimiter(testClock());
  const [one, other] = [credential("a", rate(5), rate(2)), credential("b", rate(5))];
  const within = (who: Credential, times: number): number =>
    Array.from({ length: times }, () => limiter.take(who).isWithin).filter(Boolean).length;
  expect(within(one, 10)).toBe(2); // and those that its own refused count for nobody
  expect(within(other, 10)).toBe(3);
});

test("tells how a caller stands", () => {
  const clock = testClock();
  const limiter = new RateLimiter(clock);
  const caller = credential("a", { count: 6, interval: 60 * SECOND, burst: 2 });
  expect(limiter.take(caller).standings).toMatchObject([{ of: "account", remaining: 1, untilFull: 10_000 }]);
  limiter.take(caller);
  clock.advance(4 * SECOND);
  const refused = limiter.take(caller);
  expect(refused.isWithin).toBe(false);
  expect(refused.standings).toMatchObject([{ remaining: 0, untilNext: 6000, untilFull: 16_000 }]);
});

test("what was used of a limit stays used when the limit changes", () => {
  const limiter = new RateLimiter(testClock());
  for (let i = 0; i < 10; i++) limiter.take(credential("a", rate(10)));
  expect(limiter.take(credential("a", rate(1000))).isWithin).toBe(false);
});

test("never lets more through than the burst and what time brings", () => {
  const steps = fc.array(fc.oneof(fc.constant("ask"), fc.integer({ min: -500, max: 500 })), {
    size: "medium",
  });
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 20 }),
      (all, count, burst) => {
        const clock = testClock();
        const limiter = new RateLimiter(clock);
        let [passed, allowed] = [0, 0];
        for (const step of all) {
          if (typeof step === "string") {
            allowed += limiter.take(credential("a", rate(count, burst))).isWithin ? 1 : 0;
          } else {
            clock.advance(step);
            passed += Math.abs(step);
          }
        }
        expect(allowed).toBeLessThanOrEqual(burst + (passed * count) / SECOND);
      },
    ),
  );
});

test("of connections, as many as the limits say may ask, whatever comes and goes", () => {
  const holders = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => ({
    fingerprint: parseFingerprint(String(n % 3).repeat(64)),
    account: parseSlug(n % 3 === 0 ? "a" : "b"),
  }));
  const steps = fc.array(
    fc.record({
      who: fc.nat(holders.length - 1),
      does: fc.constantFrom("ask", "ask", "close"),
      credential: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      account: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    }),
  );
  fc.assert(
    fc.property(steps, (all) => {
      const limits = new ConnectionLimits();
      const open = new Set<(typeof holders)[number]>();
      for (const { who, does, credential, account } of all) {
        const holder = holders[who];
        if (!holder) continue;
        if (does === "close") {
          limits.closed(holder);
          open.delete(holder);
          continue;
        }
        const others = [...open].filter((other) => other !== holder);
        const of = (key: "fingerprint" | "account") =>
          others.filter((other) => other[key] === holder[key]).length;
        const wanted = of("fingerprint") < (credential ?? 99) && of("account") < (account ?? 99);
        expect(limits.admits(holder, { credential, account })).toBe(wanted);
        if (wanted) open.add(holder);
        else open.delete(holder);
      }
    }),
  );
});
