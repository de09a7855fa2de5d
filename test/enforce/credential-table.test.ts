import fc from "fast-check";
import { expect, test } from "vitest";
import { type IssuerId, parseFingerprint, parseSerial } from "../../src/domain/identifiers.ts";
import { parseCidr } from "../../src/domain/address.ts";
import { noLimits } from "../../src/domain/call-limits.ts";
import { parseScope } from "../../src/domain/names.ts";
import { CredentialTable, type OwnedCredential } from "../../src/enforce/credential-table.ts";

// Whatever happens, the table is what a Map would be.

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${String(length)}}$`));
/** Some share all that decides where they are kept; they differ in the last digit only. */
const fingerprints = fc
  .oneof(
    hex(64),
    hex(1).map((digit) => "ab".repeat(31) + "c" + digit),
    hex(2).map((digits) => "00".repeat(31) + digits),
  )
  .map(parseFingerprint);
const serials = fc.oneof(
  fc.constantFrom("1", "ff", "7" + "f".repeat(39), "80", "100"),
  fc.stringMatching(/^[1-7][0-9a-f]{0,39}$/),
);
const records: fc.Arbitrary<OwnedCredential> = fc.record({
  fingerprint: fingerprints,
  issuerId: fc.constantFrom("01".repeat(20), "02".repeat(20)).map((id) => id as IssuerId),
  serial: serials.map(parseSerial),
  accountId: fc.constantFrom(1, 2, Number.MAX_SAFE_INTEGER),
  notBefore: fc.integer({ min: 0, max: 4e12 }),
  notAfter: fc.integer({ min: 0, max: 100 }),
  scopes: fc.option(fc.subarray(["a", "b:c", "orders:read"].map(parseScope)), { nil: undefined }),
  limits: fc.constantFrom(
    undefined,
    { ...noLimits, maxConnections: 2 },
    { ...noLimits, denyIps: [parseCidr("::/0")] },
  ),
  status: fc.constantFrom("active", "suspended", "revoked"),
});
const steps = fc.oneof(
  { weight: 20, arbitrary: records },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 101 }) },
);

test("the table holds what was put there last, and what was pruned no more", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { maxLength: 300, size: "max" }),
      fingerprints,
      async (taken, stranger) => {
        const table = new CredentialTable();
        const model = new Map<string, OwnedCredential>();
        for (const step of taken) {
          if (typeof step === "number") {
            await table.prune(step);
            for (const [key, { notAfter }] of model) if (notAfter < step) model.delete(key);
          } else {
            table.set(step);
            model.set(step.fingerprint, step);
          }
        }
        expect(table.size).toBe(model.size);
        for (const [, record] of model) expect(table.get(record.fingerprint)).toEqual(record);
        expect(table.get(stranger)).toEqual(model.get(stranger));
        expect(table.has(stranger)).toBe(model.has(stranger));
      },
    ),
  );
});

test("a serial that is longer than any may be is refused", () => {
  const [record] = fc.sample(records, 1);
  if (!record) throw new Error("none");
  const table = new CredentialTable();
  const serial = "1".repeat(42) as typeof record.serial;
  expect(() => {
    table.set({ ...record, serial });
  }).toThrow("20 octets");
});
