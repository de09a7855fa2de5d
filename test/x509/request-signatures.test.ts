import { afterAll, describe, expect, it } from "vitest";
import { DerReader, tags } from "../../src/x509/der-reader.ts";
import { bitString, context, element, integer, nothing, oid, sequence } from "../../src/x509/der-writer.ts";
import { libraryKey, opensslKeys } from "../support/csr-judges.ts";
import { readRequest } from "../support/fixtures-csr.ts";
import { type Refused, refusalOf } from "../support/fixtures-refusal.ts";
import { makeCsrMaker } from "../support/fuzzed-csrs.ts";
import { requireOpensslPq } from "../support/openssl-pq.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

const types = ["ec-p256", "ec-p384", "ed25519", "rsa-2048", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] as const;
const makers = await Promise.all(types.map(makeCsrMaker));

const badSignature: Refused = {
  code: "CSR_SIGNATURE_INVALID",
  message: "The CSR's signature does not verify with the key in it.",
};
const badAlgorithm: Refused = {
  ...badSignature,
  message:
    "The CSR is signed with an algorithm that is not taken here. Sign with SHA-256, SHA-384 or SHA-512.",
};

const none = Buffer.alloc(0);
const sha256 = sequence(oid("2.16.840.1.101.3.4.2.1"), nothing());
const pssParameters = sequence(
  context(0, true, sha256),
  context(1, true, sequence(oid("1.2.840.113549.1.1.8"), sha256)),
  context(2, true, integer(32)),
);

/** Algorithms with their parameters, and the digest that an EC or RSA key signs with then. */
const algorithms = (
  [
    ["ecdsa-with-SHA1", "1.2.840.10045.4.1", "sha1"],
    ["ecdsa-with-SHA224", "1.2.840.10045.4.3.1", "sha224"],
    ["ecdsa-with-SHA256", "1.2.840.10045.4.3.2", "sha256"],
    ["ecdsa-with-SHA384", "1.2.840.10045.4.3.3", "sha384"],
    ["ecdsa-with-SHA512", "1.2.840.10045.4.3.4", "sha512"],
    ["ecdsa-with-SHA3-256", "2.16.840.1.101.3.4.3.10", "sha3-256"],
    ["a key's algorithm", "1.2.840.113549.1.1.1", "sha256"],
    ["md5WithRSA", "1.2.840.113549.1.1.4", "md5"],
    ["sha1WithRSA", "1.2.840.113549.1.1.5", "sha1"],
    ["sha224WithRSA", "1.2.840.113549.1.1.14", "sha224"],
    ["sha256WithRSA", "1.2.840.113549.1.1.11", "sha256"],
    ["sha384WithRSA", "1.2.840.113549.1.1.12", "sha384"],
    ["sha512WithRSA", "1.2.840.113549.1.1.13", "sha512"],
    ["RSA-PSS", "1.2.840.113549.1.1.10", "sha256"],
    ["Ed25519", "1.3.101.112", "sha256"],
    ["Ed448", "1.3.101.113", "sha256"],
    ["ML-DSA-44", "2.16.840.1.101.3.4.3.17", "sha256"],
    ["ML-DSA-65", "2.16.840.1.101.3.4.3.18", "sha256"],
    ["ML-DSA-87", "2.16.840.1.101.3.4.3.19", "sha256"],
    ["HashML-DSA-65", "2.16.840.1.101.3.4.3.33", "sha256"],
    ["what nobody knows", "1.2.3.4", "sha256"],
  ] as const
).flatMap(([name, id, digest]) => [
  { name, identifier: sequence(oid(id)), digest },
  { name: `${name}, NULL`, identifier: sequence(oid(id), nothing()), digest },
  { name: `${name}, parameters`, identifier: sequence(oid(id), pssParameters), digest },
]);

/** Those that a key of a type may say that it signed with, by the type's beginning. */
const right: Readonly<Record<string, readonly string[]>> = {
  "ec-": ["ecdsa-with-SHA256", "ecdsa-with-SHA384", "ecdsa-with-SHA512"],
  "rsa-": ["sha256WithRSA, NULL", "sha384WithRSA, NULL", "sha512WithRSA, NULL"],
  ed25519: ["Ed25519"],
  "ml-dsa-44": ["ML-DSA-44"],
  "ml-dsa-65": ["ML-DSA-65"],
  "ml-dsa-87": ["ML-DSA-87"],
};

interface Form {
  readonly name: string;
  /** A BIT STRING's contents. */
  readonly octets: Uint8Array;
}

/** The same signature in other forms; the first is as it was made. */
function formsOf(
  keyType: string,
  made: Uint8Array,
): { readonly right: number; readonly forms: readonly Form[] } {
  const all: Form[] = [{ name: "as it was made", octets: made }];
  const add = (name: string, ...octets: readonly Uint8Array[]): unknown =>
    all.push({ name, octets: Buffer.concat(octets) });
  let taken = 1;
  if (keyType.startsWith("ec-")) {
    const fields = new DerReader(made).enter(tags.sequence);
    const [r, s] = [number(fields.integer()), number(fields.integer())];
    const n = order(keyType);
    const written = (...parts: readonly bigint[]): Buffer =>
      sequence(...parts.map((part) => integer(part.toString(16))));
    // Whoever has one signature has this one, too: a known trait of ECDSA, and no forgery.
    add("n − s", written(r, n - s));
    taken = 2;
    add("s + n", written(r, s + n));
    add("r + n", written(r + n, s));
    add("−s", sequence(integer(r.toString(16)), negative(s)));
    add("three numbers", written(r, s, s));
    add("one number", written(r));
    const width = n.toString(16).length;
    add(
      "r and s side by side",
      Buffer.from([r, s].map((it) => it.toString(16).padStart(width, "0")).join(""), "hex"),
    );
  }
  if (keyType === "ed25519") {
    const s = number(Buffer.from(made.subarray(32)).reverse()) + ed25519Order;
    add("S + L", made.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse());
  }
  add("with an octet after it", made, Buffer.of(0));
  add("with an octet before it", Buffer.of(0), made);
  add("without its last octet", made.subarray(0, -1));
  add("without its first octet", made.subarray(1));
  add("twice", made, made);
  add("zeros", Buffer.alloc(made.length));
  add("ones", Buffer.alloc(made.length, 0xff));
  add("nothing", none);
  return { right: taken, forms: all };
}

const number = (octets: Uint8Array): bigint => BigInt(`0x${Buffer.from(octets).toString("hex")}`);
/** The INTEGER of −value, in two's complement. */
const negative = (value: bigint): Buffer => {
  const digits = 2 * (Math.floor(value.toString(2).length / 8) + 1);
  return element(tags.integer, Buffer.from((16n ** BigInt(digits) - value).toString(16), "hex"));
};
const ed25519Order = 2n ** 252n + 27742317777372353535851937790883648493n;
const order = (keyType: string): bigint =>
  BigInt(
    keyType === "ec-p256"
      ? "0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
      : "0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
  );

describe.each(makers)("of a key of type $keyType", (maker) => {
  const { keyType, spki } = maker;
  const info = maker.info();

  /** Each of these is taken by others, too, with the same key. */
  const expectOthersTake = async (openssl: string, csrs: readonly Buffer[]): Promise<void> => {
    const keys = [
      ...(await opensslKeys(openssl, workspace.path, csrs)),
      ...(await Promise.all(csrs.map(libraryKey))),
    ];
    expect(keys.map((key) => key?.equals(spki))).toEqual(keys.map(() => true));
  };
  const programFor = (context: Parameters<typeof requireOpensslPq>[0]): string =>
    keyType.startsWith("ml-dsa") ? requireOpensslPq(context) : "openssl";

  it("a CSR is taken with algorithms of its own, and with no others", async (context) => {
    const hasDigest = /^(ec|rsa)-/.test(keyType);
    const made = algorithms.map(({ name, identifier, digest }) => {
      return { name, csr: maker.signed(info, identifier, hasDigest ? digest : null) };
    });
    const allowed = Object.entries(right).flatMap(([type, names]) => (keyType.startsWith(type) ? names : []));
    for (const { name, csr } of made) {
      if (allowed.includes(name)) expect(readRequest(csr).keyType, name).toBe(keyType);
      else
        expect(
          refusalOf(() => readRequest(csr)),
          name,
        ).toEqual(badAlgorithm);
    }
    const taken = made.filter(({ name }) => allowed.includes(name)).map(({ csr }) => csr);
    expect(taken).toHaveLength(allowed.length);
    await expectOthersTake(programFor(context), taken);
  });

  it("a signature is taken in its own form alone", async (context) => {
    const reader = new DerReader(maker.signed(info)).enter(tags.sequence);
    reader.next();
    const algorithm = reader.next().encoded;
    const { right: count, forms } = formsOf(keyType, reader.bits());
    const csrs = forms.map(({ octets }) => sequence(info, algorithm, bitString(octets)));
    for (const [index, { name }] of forms.entries()) {
      const csr = csrs[index] ?? none;
      if (index < count) expect(readRequest(csr).keyType, name).toBe(keyType);
      else
        expect(
          refusalOf(() => readRequest(csr)),
          name,
        ).toEqual(badSignature);
    }
    await expectOthersTake(programFor(context), csrs.slice(0, count));
  });
});
