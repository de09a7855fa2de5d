import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import {
  bitString,
  boolean,
  context,
  element,
  integer,
  oid,
  sequence,
  set,
  utf8String,
} from "../../src/x509/der-writer.ts";
import { extension } from "../../src/x509/extensions.ts";
import { x509 } from "../../src/x509/library.ts";
import { toPem } from "../../src/x509/pem.ts";
import {
  attributes,
  buildCsr,
  commonName,
  extensionRequest,
  rdn,
  signInfo,
  readRequest,
} from "../support/fixtures-csr.ts";
import { run } from "../support/run.ts";

// A fixed seed: the same inputs in each run, but for the keys.
const seed = 20300131;

const pair = await makeKeyPair("ec-p256");
const { privateKey } = pair;
const spki = pair.publicKey.export({ format: "der", type: "spki" });
const subject = sequence(
  commonName("Zoë"),
  rdn("2.5.4.6", element(0x13, Buffer.from("DE"))),
  rdn("2.5.4.11", element(0x1e, Buffer.from("0041", "hex"))),
  rdn("1.2.840.113549.1.9.1", element(0x16, Buffer.from("a@b"))),
);
const field = attributes(
  extensionRequest(
    extension("2.5.29.19", true, sequence(boolean(true))),
    extension("2.5.29.15", true, bitString(Buffer.of(4), 2)),
    extension("2.5.29.17", false, sequence(context(2, false, Buffer.from("x.test")))),
  ),
  sequence(oid("1.2.840.113549.1.9.7"), set(utf8String("secret"))),
);
const csr = buildCsr({ privateKey, spki, subject, attributes: field });

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

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}

const edits = fc.array(
  fc.record({ at: fc.nat(999), remove: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }) }),
  { minLength: 1, maxLength: 4 },
);

function edited(bytes: Uint8Array, list: readonly Edit[]): Buffer {
  let result = Buffer.from(bytes);
  for (const { at, remove, insert } of list) {
    const from = at % (result.length + 1);
    result = Buffer.concat([result.subarray(0, from), insert, result.subarray(from + remove)]);
  }
  return result;
}

/** Changes octets in place, so that lengths mostly stay right. */
const changes = fc.array(
  fc.tuple(
    fc.nat(999),
    fc.oneof(
      fc.nat(255),
      fc.constantFrom(0, 1, 3, 4, 5, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x1c, 0x1e, 0x30, 0x31, 0x80, 0xff),
    ),
  ),
  { minLength: 1, maxLength: 2 },
);

function changed(bytes: Uint8Array, list: readonly (readonly [number, number])[]): Buffer {
  const result = Buffer.from(bytes);
  for (const [at, octet] of list) result[at % result.length] = octet;
  return result;
}

/** A CSR with a changed subject or attributes, rightly signed. */
const resigned = (given: Uint8Array): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.constantFrom("subject", "attributes"), changes)
    .map(([part, list]) =>
      part === "subject"
        ? sequence(integer(0), changed(subject, list), spki, given)
        : sequence(integer(0), subject, spki, changed(given, list)),
    )
    .map((info) => signInfo(info, privateKey));

async function libraryTakes(bytes: Uint8Array): Promise<boolean> {
  try {
    return await new x509.Pkcs10CertificateRequest(bytes).verify();
  } catch {
    return false;
  }
}

async function opensslTakes(bytes: Uint8Array): Promise<boolean> {
  const { code, stderr } = await run("openssl", ["req", "-inform", "DER", "-verify", "-noout"], {
    input: bytes,
  });
  return code === 0 && stderr.includes("verify OK");
}

describe("whatever the bytes, there is nothing but a refusal", () => {
  it("random", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(isTaken(bytes)).toBe(false);
      }),
      { seed, numRuns: 500 },
    );
  });

  it("random, in a SEQUENCE and in PEM", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(isTaken(sequence(bytes))).toBe(false);
        expect(isTaken(Buffer.from(toPem("CERTIFICATE REQUEST", sequence(bytes))))).toBe(false);
      }),
      { seed, numRuns: 500 },
    );
  });

  it("random text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
        expect(isTaken(Buffer.from(text))).toBe(false);
      }),
      { seed, numRuns: 500 },
    );
  });

  it("a CSR cut short or made longer", () => {
    for (let length = 0; length < csr.length; length++) expect(isTaken(csr.subarray(0, length))).toBe(false);
    for (let octet = 0; octet < 256; octet++)
      expect(isTaken(Buffer.concat([csr, Buffer.of(octet)]))).toBe(false);
  });

  it("a CSR with any one bit of it changed", () => {
    for (let bit = 0; bit < csr.length * 8; bit++) {
      const wrong = Buffer.from(csr);
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(isTaken(wrong), `bit ${String(bit)}`).toBe(false);
    }
  });

  it("a CSR with parts taken out and put in", () => {
    fc.assert(
      fc.property(edits, (list) => {
        const wrong = edited(csr, list);
        expect(isTaken(wrong)).toBe(wrong.equals(csr));
      }),
      { seed, numRuns: 2000 },
    );
  });

  it("a PEM with parts taken out and put in", () => {
    const pem = Buffer.from(toPem("CERTIFICATE REQUEST", csr));
    fc.assert(
      fc.property(edits, (list) => {
        isTaken(edited(pem, list));
      }),
      { seed, numRuns: 500 },
    );
  });

  it("a key with octets changed, signed rightly", () => {
    fc.assert(
      fc.property(changes, (list) => {
        const wrong = changed(spki, list);
        expect(isTaken(buildCsr({ privateKey, spki: wrong }))).toBe(wrong.equals(spki));
      }),
      { seed, numRuns: 500 },
    );
  });
});

describe("what is taken here, others take too", () => {
  it("@peculiar/x509", async () => {
    // It reads the contents of the extensions that it knows, too, which we leave unread.
    const unknown = attributes(
      sequence(oid("1.3.6.1.4.1.99999.1"), set(utf8String("text"), sequence(integer(1)))),
    );
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(resigned(unknown), async (bytes) => {
        if (!isTaken(bytes)) return;
        taken += 1;
        expect(await libraryTakes(bytes), Buffer.from(bytes).toString("hex")).toBe(true);
      }),
      { seed, numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(200);
  });

  it("openssl", async () => {
    const samples = fc.sample(resigned(field), { seed, numRuns: 500 }).filter(isTaken).slice(0, 100);
    expect(samples).toHaveLength(100);
    for (const bytes of samples) {
      expect(await opensslTakes(bytes), bytes.toString("hex")).toBe(true);
    }
  });
});
