import { type KeyObject, createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type KeyPair, type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { bitString, oid, sequence } from "../../src/x509/der-writer.ts";
import { keyInFile } from "../../src/x509/key-file.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { toPem } from "../../src/x509/pem.ts";
import { encryptPrivateKey } from "../../src/x509/private-key.ts";
import { csrOf } from "../support/issuing.ts";
import { clientTemplate, makeIssuer } from "../support/fixtures-issuer.ts";
import { type Refused, refusalOf } from "../support/fixtures-refusal.ts";
import { runOk } from "../support/run.ts";
import { ecKeys, csrSignedBy } from "../support/offending-keys.ts";

const { issuer } = await makeIssuer("ec-p256");
const pairs = Object.fromEntries(
  await Promise.all(keyTypes.map(async (type) => [type, await makeKeyPair(type)] as const)),
) as Readonly<Record<KeyType, KeyPair>>;

const spkiOf = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" });
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const der = async (pem: Promise<Buffer>): Promise<Buffer> =>
  Buffer.from((await pem).toString().replace(/-----.*?-----|\s/g, ""), "base64");
const certificate = async (spki: Uint8Array): Promise<Buffer> =>
  Buffer.from(await signLeaf(issuer, clientTemplate(spki)));
const inPem = (label: string, bytes: Uint8Array): Buffer => Buffer.from(toPem(label, bytes));
const exported = (key: KeyObject, type: "pkcs8" | "sec1" | "pkcs1"): Buffer =>
  Buffer.from(key.export({ format: "pem", type }));

/** How a file is called, and made; of which types there are such files. */
type Holder = readonly [string, (pair: KeyPair) => Buffer | Promise<Buffer>, string];

const holders: readonly Holder[] = [
  [
    "a certificate, PEM",
    async ({ publicKey }) => inPem("CERTIFICATE", await certificate(spkiOf(publicKey))),
    "",
  ],
  ["a certificate, DER", ({ publicKey }) => certificate(spkiOf(publicKey)), ""],
  [
    "a client's certificate file, with the issuer's after it",
    async ({ publicKey }) =>
      Buffer.concat(
        [await certificate(spkiOf(publicKey)), issuer.der].map((bytes) => inPem("CERTIFICATE", bytes)),
      ),
    "",
  ],
  ["a CSR, PEM", csrOf, ""],
  ["a CSR, DER", (pair) => der(csrOf(pair)), ""],
  ["a public key, PEM", ({ publicKey }) => inPem("PUBLIC KEY", spkiOf(publicKey)), ""],
  ["a public key, DER", ({ publicKey }) => spkiOf(publicKey), ""],
  ["a private key, PKCS#8 in PEM", ({ privateKey }) => exported(privateKey, "pkcs8"), ""],
  [
    "a private key, PKCS#8 in DER",
    ({ privateKey }) => privateKey.export({ format: "der", type: "pkcs8" }),
    "",
  ],
  ["a private key, SEC 1 in PEM", ({ privateKey }) => exported(privateKey, "sec1"), "ec-"],
  [
    "a private key, SEC 1 in DER",
    ({ privateKey }) => privateKey.export({ format: "der", type: "sec1" }),
    "ec-",
  ],
  [
    "a private key, PKCS#1 in DER",
    ({ privateKey }) => privateKey.export({ format: "der", type: "pkcs1" }),
    "rsa-",
  ],
  ["a private key, PKCS#1 in PEM", ({ privateKey }) => exported(privateKey, "pkcs1"), "rsa-"],
  [
    "a public key, PKCS#1 in PEM",
    ({ publicKey }) => Buffer.from(publicKey.export({ format: "pem", type: "pkcs1" })),
    "rsa-",
  ],
];

describe.each(keyTypes)("a key of type %s is the same key", (keyType) => {
  const pair = pairs[keyType];
  const expected = { keyType, spkiHash: sha256(spkiOf(pair.publicKey)) };

  it.each(holders.filter(([, , only]) => keyType.startsWith(only)))("in %s", async (_name, make) => {
    expect(keyInFile(await make(pair))).toEqual(expected);
  });
});

describe.each<readonly [KeyType, string]>([
  ["ec-p256", "1.2.840.10045.3.1.7"],
  ["ec-p384", "1.3.132.0.34"],
])("an EC key of type %s is the same key", (keyType, curve) => {
  const plain = spkiOf(pairs[keyType].publicKey);
  const point = plain.subarray(keyType === "ec-p256" ? -65 : -97);
  const [x, y] = [point.subarray(1, (point.length + 1) / 2), point.subarray((point.length + 1) / 2)];
  const parity = (y.at(-1) ?? 0) % 2;
  const withPoint = (...parts: readonly Uint8Array[]): Buffer =>
    sequence(sequence(oid("1.2.840.10045.2.1"), oid(curve)), bitString(Buffer.concat(parts)));
  const compressed = withPoint(Buffer.of(2 + parity), x);
  const hybrid = withPoint(Buffer.of(6 + parity), x, y);
  const byOpenssl = async (...options: readonly string[]): Promise<Buffer> =>
    Buffer.from(
      await runOk("openssl", ["ec", ...options], { input: exported(pairs[keyType].privateKey, "sec1") }),
    );

  it.each<readonly [string, () => Buffer | Promise<Buffer>]>([
    ["a public key with a compressed point, DER", () => compressed],
    ["a public key with a compressed point, PEM", () => inPem("PUBLIC KEY", compressed)],
    ["a certificate with a compressed point", () => certificate(compressed)],
    ["a public key with a hybrid point", () => hybrid],
    ["a public key with explicit parameters", () => byOpenssl("-param_enc", "explicit", "-pubout")],
    ["a private key with explicit parameters", () => byOpenssl("-param_enc", "explicit")],
    ["a private key with a compressed point", () => byOpenssl("-conv_form", "compressed")],
  ])("in %s", async (_name, make) => {
    expect(keyInFile(await make())).toEqual({ keyType, spkiHash: sha256(plain) });
  });
});

const unreadable: Refused = {
  code: "FILE_UNREADABLE",
  message: "The file holds no certificate, CSR or key that can be read here.",
};
const otherCurve: Refused = {
  code: "KEY_UNSUPPORTED",
  message: "An EC key must be on the curve P-256 or P-384.",
};
const otherSize: Refused = {
  code: "KEY_UNSUPPORTED",
  message: "An RSA key must have 2048, 3072 or 4096 bits.",
};
const otherType: Refused = { code: "KEY_UNSUPPORTED", message: "Keys of this type are not signed here." };

const { privateKey, publicKey } = pairs["ec-p256"];
const good = spkiOf(publicKey);
const of = (pair: { readonly publicKey: KeyObject }): Buffer => spkiOf(pair.publicKey);
const encrypted = { format: "der", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "secret" } as const;

describe("a file is refused", () => {
  it.each<readonly [string, () => Buffer | Promise<Buffer>, Refused]>([
    ["nothing", () => Buffer.alloc(0), unreadable],
    ["words", () => Buffer.from("hello"), unreadable],
    ["an empty SEQUENCE", () => sequence(), unreadable],
    ["a key cut short", () => good.subarray(0, -1), unreadable],
    [
      "a PEM of nothing",
      () => Buffer.from("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"),
      unreadable,
    ],
    ["another label", () => inPem("X509 CRL", good), unreadable],
    [
      "an encrypted key, ours",
      async () => Buffer.from(await encryptPrivateKey(privateKey, "secret")),
      unreadable,
    ],
    [
      "an encrypted key, PEM",
      () => Buffer.from(privateKey.export({ ...encrypted, format: "pem" })),
      unreadable,
    ],
    ["an encrypted key, DER", () => privateKey.export(encrypted), unreadable],
    ["a point off the curve", () => ecKeys.offCurve().spki, unreadable],
    ["a CSR with a compressed point", () => csrSignedBy(ecKeys.compressed()), unreadable],
    ["P-521", () => of(generateKeyPairSync("ec", { namedCurve: "P-521" })), otherCurve],
    ["secp256k1", () => of(generateKeyPairSync("ec", { namedCurve: "secp256k1" })), otherCurve],
    [
      "a certificate for P-521",
      () => certificate(of(generateKeyPairSync("ec", { namedCurve: "P-521" }))),
      otherCurve,
    ],
    ["RSA of 1024 bits", () => of(generateKeyPairSync("rsa", { modulusLength: 1024 })), otherSize],
    ["RSA-PSS", () => of(generateKeyPairSync("rsa-pss", { modulusLength: 2048 })), otherType],
    ["Ed448", () => of(generateKeyPairSync("ed448")), otherType],
    ["X25519", () => of(generateKeyPairSync("x25519")), otherType],
    ["X25519, private", () => exported(generateKeyPairSync("x25519").privateKey, "pkcs8"), otherType],
    ["DSA", () => of(generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 })), otherType],
    ["SLH-DSA", () => of(generateKeyPairSync("slh-dsa-sha2-128s")), otherType],
  ])("%s", async (_name, make, refused) => {
    const bytes = await make();
    expect(refusalOf(() => keyInFile(bytes))).toEqual(refused);
  });
});
