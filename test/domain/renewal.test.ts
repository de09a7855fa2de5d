import { expect, test } from "vitest";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { renewalDue } from "../../src/domain/renewal.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";

const issued = Date.parse("2030-01-01T00:00:00Z");
const due = (fingerprint: string, life: number): number =>
  renewalDue(parseFingerprint(fingerprint), { notBefore: issued - MINUTE, notAfter: issued + life }) - issued;

test.each([
  ["earliest", "0".repeat(64), 2 / 3 - 1 / 20],
  ["middle", `7fffffff${"0".repeat(56)}`, 2 / 3],
  ["latest", "f".repeat(64), 2 / 3 + 1 / 20],
])("a fingerprint falls %s in the jitter", (_where, fingerprint, share) => {
  expect(due(fingerprint, DAY)).toBeCloseTo(DAY * share, -2);
});

test.each([20 * SECOND, HOUR, 90 * DAY])("a life of %i ms is counted from the moment of issue", (life) => {
  const at = due(`7fffffff${"0".repeat(56)}`, life);
  expect(at).toBeGreaterThan(life * 0.66);
  expect(at).toBeLessThan(life * 0.67);
});

test("what does not live longer than the backdating is due at its end", () => {
  const notBefore = issued - MINUTE;
  const notAfter = issued - SECOND;
  expect(renewalDue(parseFingerprint("f".repeat(64)), { notBefore, notAfter })).toBe(notAfter);
});
