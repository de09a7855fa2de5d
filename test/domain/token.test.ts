import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashToken, makeToken, parseToken } from "../../src/domain/token.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const notOne = { code: "TOKEN_MALFORMED", message: "This is not an enrolment token." };
const mistyped = {
  code: "TOKEN_MALFORMED",
  message: "The enrolment token has a typing error: its checksum does not match.",
};

describe("a token", () => {
  it("is cst_, 32 random characters and a checksum, and reads back", () => {
    const token = makeToken(randomBytes);
    expect(token).toMatch(/^cst_[0-9A-Za-z]{38}$/);
    expect(parseToken(token)).toBe(token);
  });

  it("is a new one each time", () => {
    expect(new Set(Array.from({ length: 100 }, () => makeToken(randomBytes))).size).toBe(100);
  });

  it("leaves out the octets that would favour some characters", () => {
    // 248 to 255 are skipped, so all of these draws give the same characters.
    const even = makeToken((count) => Buffer.alloc(count, 61));
    let draws = 0;
    const skipping = makeToken((count) => Buffer.alloc(count, draws++ === 0 ? 255 : 61));
    expect(skipping).toBe(even);
    expect(draws).toBe(2);
  });

  it("is stored as SHA-256 of all of it", () => {
    const token = makeToken(randomBytes);
    expect(hashToken(token)).toBe(createHash("sha256").update(token).digest("hex"));
  });
});

describe("what is not a token", () => {
  const token = makeToken(randomBytes);

  it.each([
    ["nothing", ""],
    ["the prefix alone", "cst_"],
    ["another prefix", `cts_${token.slice(4)}`],
    ["the prefix in upper case", `CST_${token.slice(4)}`],
    ["a character short", token.slice(0, -1)],
    ["a character long", `${token}0`],
    ["a character outside base 62", `${token.slice(0, 10)}-${token.slice(11)}`],
    ["a space before it", ` ${token}`],
    ["a line break after it", `${token}\n`],
    ["a scheme before it", `Bearer ${token}`],
  ])("%s", (_name, text) => {
    expect(refusalOf(() => parseToken(text))).toEqual(notOne);
  });

  it("any with one character changed: a typing error, and not an unknown token", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32, max: 247 }),
        fc.nat(37),
        fc.nat(61),
        (random, position, index) => {
          const right = makeToken(() => random);
          const at = 4 + position;
          const character = alphabet.charAt(index);
          fc.pre(right.charAt(at) !== character);
          const wrong = right.slice(0, at) + character + right.slice(at + 1);
          expect(refusalOf(() => parseToken(wrong))).toEqual(mistyped);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("any with two neighbours swapped", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32, max: 247 }),
        fc.nat(36),
        (random, position) => {
          const right = makeToken(() => random);
          const at = 4 + position;
          const pair = right.slice(at, at + 2);
          fc.pre(new Set(pair).size === 2);
          const wrong = `${right.slice(0, at)}${pair.charAt(1)}${pair.charAt(0)}${right.slice(at + 2)}`;
          expect(refusalOf(() => parseToken(wrong))).toEqual(mistyped);
        },
      ),
      { numRuns: 300 },
    );
  });
});
