import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MINUTE } from "../../src/domain/time.ts";
import { ProofNonces } from "../../src/services/proof-nonces.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";
import { START, testClock } from "../support/issuing.ts";

const fresh = () => {
  const clock = testClock();
  const nonces = new ProofNonces(clock, (count) => randomBytes(count));
  return { clock, nonces };
};
const codeOf = (work: () => unknown): string => refusalOf(work).code;

describe("a nonce", () => {
  test("is one that nobody can guess, and lives for five minutes", () => {
    const { clock, nonces } = fresh();
    const { nonce, expiresAt } = nonces.issue();
    expect(nonce).toMatch(/^[A-Za-z0-9_-]{76}$/);
    expect(expiresAt).toBe(START + 5 * MINUTE);
    expect(nonces.issue().nonce).not.toBe(nonce);
    clock.advance(5 * MINUTE - 1);
    expect(() => {
      nonces.check(nonce);
    }).not.toThrow();
    clock.advance(1);
    expect(refusalOf(() => nonces.use(nonce))).toEqual({
      code: "NONCE_EXPIRED",
      message: "The nonce has expired. Ask for a new one.",
    });
  });

  test("is used once, unless it is given back", () => {
    const { nonces } = fresh();
    const { nonce } = nonces.issue();
    const giveBack = nonces.use(nonce);
    for (const again of [
      () => nonces.use(nonce),
      () => {
        nonces.check(nonce);
      },
    ]) {
      expect(refusalOf(again)).toEqual({
        code: "NONCE_USED",
        message: "The nonce was used already. Ask for a new one.",
      });
    }
    giveBack();
    nonces.use(nonce);
    expect(codeOf(() => nonces.use(nonce))).toBe("NONCE_USED");
  });

  test("from another process, or from nowhere, is unknown", () => {
    const { nonces } = fresh();
    const { nonce } = fresh().nonces.issue();
    for (const text of [nonce, "", "AAAA", "A".repeat(76), "A".repeat(100_000)]) {
      expect(refusalOf(() => nonces.use(text))).toEqual({
        code: "NONCE_UNKNOWN",
        message: "This server has not given that nonce. Ask for one: POST /v1/key-compromise.",
      });
    }
  });

  test("that was changed in any way, its end included, is unknown", () => {
    const { nonces } = fresh();
    const { nonce } = nonces.issue();
    const octets = Buffer.from(nonce, "base64url");
    for (let at = 0; at < octets.length; at++) {
      const changed = Buffer.from(octets);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(codeOf(() => nonces.use(changed.toString("base64url")))).toBe("NONCE_UNKNOWN");
    }
    const others = [
      `${nonce}=`,
      ` ${nonce}`,
      `${nonce}\n`,
      `${nonce}A`,
      octets.toString("base64").replace(/^/, " "),
    ];
    for (const other of others) expect(codeOf(() => nonces.use(other))).toBe("NONCE_UNKNOWN");
    nonces.use(nonce);
  });

  test("is not revived by a clock that is set back", () => {
    const { clock, nonces } = fresh();
    const { nonce } = nonces.issue();
    clock.advance(-1);
    expect(codeOf(() => nonces.use(nonce))).toBe("NONCE_EXPIRED");
  });

  test("made of anything never crashes", () => {
    const { nonces } = fresh();
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(codeOf(() => nonces.use(text))).toBe("NONCE_UNKNOWN");
      }),
    );
  });
});

test("many that are used fill no memory without end: no more are taken until some have expired", () => {
  const { clock, nonces } = fresh();
  for (let i = 0; i < 10_000; i++) nonces.use(nonces.issue().nonce);
  const { nonce } = nonces.issue();
  expect(codeOf(() => nonces.use(nonce))).toBe("UNAVAILABLE");
  clock.advance(5 * MINUTE);
  nonces.use(nonces.issue().nonce);
});
