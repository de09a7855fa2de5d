import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { sequence } from "../../src/x509/der-writer.ts";
import { toPem } from "../../src/x509/pem.ts";
import { inBer } from "../support/ber-variants.ts";
import { libraryKey, opensslKeys } from "../support/csr-judges.ts";
import { readRequest } from "../support/fixtures-csr.ts";
import {
  changed,
  edited,
  edits,
  flipped,
  knownAttributes,
  makeCsrMaker,
  octet,
  resigned,
  unknownAttributes,
  wild,
} from "../support/fuzzed-csrs.ts";
import { requireOpensslPq } from "../support/openssl-pq.ts";
import { makeWorkspace } from "../support/workspace.ts";

// A fixed seed: the same inputs in each run, but for the keys.
const seed = 20300131;

const workspace = await makeWorkspace();
afterAll(workspace.remove);

const types = ["ec-p256", "ec-p384", "ed25519", "rsa-2048", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] as const;
const makers = await Promise.all(types.map(makeCsrMaker));
const [first] = makers;
const csr = first?.signed(first.info()) ?? Buffer.alloc(0);

/** Whether it is taken; anything thrown but a refusal of a CSR or a key fails the test. */
function isTaken(bytes: Uint8Array): boolean {
  try {
    readRequest(bytes);
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    expect(error.code).toMatch(/^(CSR|KEY)_/);
    return false;
  }
}

describe("whatever the bytes, there is nothing but a refusal", () => {
  it("random", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(isTaken(bytes)).toBe(false);
      }),
      { seed, numRuns: 150 },
    );
  });

  it("random, in a SEQUENCE and in PEM", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(isTaken(sequence(bytes))).toBe(false);
        expect(isTaken(Buffer.from(toPem("CERTIFICATE REQUEST", sequence(bytes))))).toBe(false);
      }),
      { seed, numRuns: 150 },
    );
  });

  it("random text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
        expect(isTaken(Buffer.from(text))).toBe(false);
      }),
      { seed, numRuns: 150 },
    );
  });

  it("a CSR cut short or made longer", () => {
    for (let length = 0; length < csr.length; length++) expect(isTaken(csr.subarray(0, length))).toBe(false);
    for (let octet = 0; octet < 256; octet++)
      expect(isTaken(Buffer.concat([csr, Buffer.of(octet)]))).toBe(false);
  });

  it("a CSR with any one bit of it changed", () => {
    for (let bit = 0; bit < csr.length * 8; bit++)
      expect(isTaken(flipped(csr, bit)), `bit ${String(bit)}`).toBe(false);
  });

  it("a PEM with parts taken out and put in", () => {
    const pem = Buffer.from(toPem("CERTIFICATE REQUEST", csr));
    fc.assert(
      fc.property(edits, (list) => {
        isTaken(edited(pem, list));
      }),
      { seed, numRuns: 150 },
    );
  });
});

describe.each(makers)("a CSR of a key of type $keyType is refused", (maker) => {
  const info = maker.info();
  const good = maker.signed(info);

  it("with a bit of it changed", () => {
    fc.assert(
      fc.property(fc.nat(good.length * 8 - 1), (bit) => {
        expect(isTaken(flipped(good, bit))).toBe(false);
      }),
      { seed, numRuns: 150 },
    );
  });

  it("with parts taken out and put in", () => {
    fc.assert(
      fc.property(edits, (list) => {
        const wrong = edited(good, list);
        expect(isTaken(wrong)).toBe(wrong.equals(good));
      }),
      { seed, numRuns: 150 },
    );
  });

  it("with octets of the key changed, signed rightly", () => {
    // There is more to get wrong at its beginning than in its middle.
    const place = fc.oneof(fc.nat(40), fc.nat(9999));
    fc.assert(
      fc.property(fc.array(fc.tuple(place, octet), { minLength: 1, maxLength: 2 }), (list) => {
        const wrong = changed(maker.spki, list);
        expect(isTaken(maker.signed(maker.info({ spki: wrong })))).toBe(wrong.equals(maker.spki));
      }),
      { seed, numRuns: 150 },
    );
  });

  it("with any one element of it in BER that is not DER, signed rightly", () => {
    const inside = inBer(info).map(({ what, bytes }) => ({ what, bytes: maker.signed(bytes) }));
    const outside = inBer(good).filter(({ bytes }) => bytes.includes(info));
    expect(inside.length).toBeGreaterThan(50);
    expect(outside.length).toBeGreaterThan(5);
    for (const { what, bytes } of [...inside, ...outside]) expect(isTaken(bytes), what).toBe(false);
  });
});

describe.each(makers)(
  "what is taken of a key of type $keyType, others take too, with the same key",
  (maker) => {
    it("@peculiar/x509", async () => {
      const samples = fc.oneof(resigned(maker, unknownAttributes), wild(maker));
      let taken = 0;
      await fc.assert(
        fc.asyncProperty(samples, async (bytes) => {
          if (!isTaken(bytes)) return;
          taken += 1;
          expect((await libraryKey(bytes))?.equals(maker.spki), bytes.toString("hex")).toBe(true);
        }),
        { seed, numRuns: 400 },
      );
      expect(taken).toBeGreaterThan(100);
    });

    it("openssl", async (context) => {
      const program = maker.keyType.startsWith("ml-dsa") ? requireOpensslPq(context) : "openssl";
      const samples = fc.oneof(resigned(maker, knownAttributes), wild(maker));
      const taken = fc.sample(samples, { seed, numRuns: 400 }).filter(isTaken).slice(0, 100);
      expect(taken).toHaveLength(100);
      const keys = await opensslKeys(program, workspace.path, taken);
      for (const [index, key] of keys.entries())
        expect(key?.equals(maker.spki), taken[index]?.toString("hex")).toBe(true);
    });
  },
);
