import { expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { type Refusal } from "../../src/domain/errors.ts";
import { spkiHashOf } from "../../src/domain/identifiers.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";
import { noRules, requireAddress, requireOwnKey } from "../../src/domain/token-rules.ts";

const refusalOf = (work: () => void): string => {
  try {
    work();
    return "taken";
  } catch (error) {
    return `${(error as Refusal).code}: ${(error as Refusal).message}`;
  }
};

const from = ["192.0.2.0/24", "2001:db8::/32"].map(parseCidr);

test.each([
  ["192.0.2.77", true],
  ["::ffff:192.0.2.77", true],
  ["::ffff:c000:24d", true],
  ["0:0:0:0:0:ffff:192.0.2.77", true],
  ["2001:db8:1::7", true],
  ["192.0.3.1", false],
  ["::ffff:192.0.3.1", false],
  ["2001:db9::1", false],
  ["::192.0.2.77", false],
  ["", false],
  ["192.0.2.77.example", false],
  [undefined, false],
])("a token for two ranges, from %s: %s", (address, isTaken) => {
  const said = refusalOf(() => {
    requireAddress({ ...noRules, from }, address);
  });
  expect(said).toBe(
    isTaken
      ? "taken"
      : `TOKEN_ADDRESS: This enrolment token cannot be used from ${address ? `${address}, where the CA sees you` : "this address"}. Ask for one that can.`,
  );
});

test("without a range it is taken from anywhere, known or not", () => {
  for (const address of ["192.0.2.1", "::1", undefined]) requireAddress(noRules, address);
});

const [own, other] = [spkiHashOf(Buffer.from("own")), spkiHashOf(Buffer.from("other"))];
const otherKey =
  "TOKEN_KEY: This enrolment token is for another key. Use that key, or ask for a token for this one.";
const keyTypes: readonly KeyType[] = ["ec-p256", "ed25519"];

test.each([
  [{}, "rsa-2048", other, "taken"],
  [{ keyTypes }, "ed25519", other, "taken"],
  [{ keyTypes }, "ec-p384", own, "KEY_UNSUPPORTED: The enrolment token takes these keys: ec-p256, ed25519."],
  [{ spkiHash: own }, "ec-p384", own, "taken"],
  [{ spkiHash: own }, "ec-p384", other, otherKey],
  [{ spkiHash: own, keyTypes }, "ec-p256", other, otherKey],
] as const)("a token with %j and a key of %s", (rules, keyType, spkiHash, expected) => {
  const said = refusalOf(() => {
    requireOwnKey({ ...noRules, ...rules }, { keyType, spkiHash });
  });
  expect(said).toBe(expected);
});
