import { type KeyObject, constants, generateKeyPairSync, sign } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { bitString, context, integer, nothing, oid, sequence } from "../../src/x509/der-writer.ts";
import {
  type CsrParts,
  attributes,
  buildCsr,
  commonName,
  ecdsaWithSha256,
  readRequest,
} from "../support/fixtures-csr.ts";
import { type Refused, refusalOf } from "../support/fixtures-refusal.ts";
import { runOk } from "../support/run.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

const derSpki = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" });
const pair = await makeKeyPair("ec-p256");
const rsa = await makeKeyPair("rsa-2048");
const spki = derSpki(pair.publicKey);
const rsaWithSha256 = sequence(oid("1.2.840.113549.1.1.11"), nothing());
const build = (parts: Partial<CsrParts> = {}): Buffer =>
  buildCsr({ privateKey: pair.privateKey, spki, ...parts });
const buildRsa = (parts: Partial<CsrParts> = {}): Buffer =>
  buildCsr({ privateKey: rsa.privateKey, spki: derSpki(rsa.publicKey), algorithm: rsaWithSha256, ...parts });

const info = sequence(integer(0), sequence(commonName("me")), spki, attributes());
const signature = bitString(sign("sha256", info, pair.privateKey));

const badSignature: Refused = {
  code: "CSR_SIGNATURE_INVALID",
  message: "The CSR's signature does not verify with the key in it.",
};
const badAlgorithm: Refused = {
  code: "CSR_SIGNATURE_INVALID",
  message:
    "The CSR is signed with an algorithm that is not taken here. Sign with SHA-256, SHA-384 or SHA-512.",
};
const unsupported: Refused = { code: "KEY_UNSUPPORTED", message: "Keys of this type are not signed here." };
const unusual: Refused = {
  code: "KEY_UNSUPPORTED",
  message: "The key is encoded in an unusual way. Use a named curve, uncompressed.",
};
const otherCurve: Refused = {
  code: "KEY_UNSUPPORTED",
  message: "An EC key must be on the curve P-256 or P-384.",
};

type Case = readonly [string, Uint8Array, Refused];

const signatures: readonly Case[] = [
  ["no bits", sequence(info, ecdsaWithSha256, bitString(Buffer.alloc(0))), badSignature],
  ["zeros", sequence(info, ecdsaWithSha256, bitString(Buffer.alloc(64))), badSignature],
  ["r = s = 0", sequence(info, ecdsaWithSha256, bitString(sequence(integer(0), integer(0)))), badSignature],
  ["by another key", buildCsr({ privateKey: (await makeKeyPair("ec-p256")).privateKey, spki }), badSignature],
  [
    "over another subject",
    sequence(
      sequence(integer(0), sequence(commonName("you")), spki, attributes()),
      ecdsaWithSha256,
      signature,
    ),
    badSignature,
  ],
  [
    "in IEEE P1363 form",
    sequence(
      info,
      ecdsaWithSha256,
      bitString(sign("sha256", info, { key: pair.privateKey, dsaEncoding: "ieee-p1363" })),
    ),
    badSignature,
  ],
  ["with another digest than it says", build({ digest: "sha384" }), badSignature],
  ["with SHA-1", build({ algorithm: sequence(oid("1.2.840.10045.4.1")), digest: "sha1" }), badAlgorithm],
  [
    "RSA with SHA-1",
    buildRsa({ algorithm: sequence(oid("1.2.840.113549.1.1.5"), nothing()), digest: "sha1" }),
    badAlgorithm,
  ],
  [
    "RSA with MD5",
    buildRsa({ algorithm: sequence(oid("1.2.840.113549.1.1.4"), nothing()), digest: "md5" }),
    badAlgorithm,
  ],
  ["RSA without its NULL", buildRsa({ algorithm: sequence(oid("1.2.840.113549.1.1.11")) }), badAlgorithm],
  ["ECDSA with a NULL", build({ algorithm: sequence(oid("1.2.840.10045.4.3.2"), nothing()) }), badAlgorithm],
  ["RSA's algorithm with an EC key", build({ algorithm: rsaWithSha256 }), badAlgorithm],
  ["ECDSA's algorithm with an RSA key", buildRsa({ algorithm: ecdsaWithSha256 }), badAlgorithm],
  ["Ed25519's algorithm with an EC key", build({ algorithm: sequence(oid("1.3.101.112")) }), badAlgorithm],
  ["RSA-PSS", rsaPss(), badAlgorithm],
  ["an unknown algorithm", build({ algorithm: sequence(oid("1.2.3.4")) }), badAlgorithm],
];

const keys: readonly Case[] = [
  ["EC on P-521", ec("P-521"), otherCurve],
  ["EC on secp256k1", ec("secp256k1"), otherCurve],
  [
    "RSA of 1024 bits",
    rsaOf(1024),
    { code: "KEY_WEAK", message: "An RSA key needs at least 2048 bits; this one has 1024." },
  ],
  [
    "RSA with e = 3",
    rsaOf(2048, 3),
    { code: "KEY_WEAK", message: "An RSA key's public exponent must be 65537." },
  ],
  [
    "RSA of 2560 bits",
    rsaOf(2560),
    { code: "KEY_UNSUPPORTED", message: "An RSA key must have 2048, 3072 or 4096 bits." },
  ],
  ["an RSA-PSS key", rsaPssKey(), unsupported],
  ["Ed448", ed448(), unsupported],
  [
    "an X25519 key, which signs nothing",
    build({ spki: derSpki(generateKeyPairSync("x25519").publicKey) }),
    unsupported,
  ],
  [
    "a point off the curve",
    build({ spki: offCurve() }),
    { code: "KEY_WEAK", message: "The EC key's point is not on its curve." },
  ],
  ["a compressed point", build({ spki: compressed() }), unusual],
  ["a hybrid point", build({ spki: hybrid() }), unusual],
  ["an RSA key without its NULL", buildRsa({ spki: rsaWithoutNull() }), unusual],
  [
    "a key of an unknown algorithm",
    build({ spki: sequence(sequence(oid("1.2.3.4")), bitString(Buffer.alloc(32))) }),
    unsupported,
  ],
  [
    "a key that is no key",
    build({ spki: sequence() }),
    { code: "CSR_MALFORMED", message: "The CSR is not one PKCS#10 request in PEM or DER." },
  ],
];

describe.each([
  ["signature", signatures],
  ["key", keys],
])("a CSR is refused for its %s", (_part, cases) => {
  it.each(cases)("%s", (_name, csr, refused) => {
    expect(refusalOf(() => readRequest(csr))).toEqual(refused);
  });
});

describe("a CSR is refused for its key", () => {
  it("the point at infinity", () => {
    const csr = build({ spki: withPoint(Buffer.of(0)) });
    expect(refusalOf(() => readRequest(csr)).code).toBe("KEY_UNSUPPORTED");
  });

  it("explicit curve parameters", async () => {
    const curve = ["-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"];
    const options = [...curve, "-nodes", "-subj", "/CN=me", "-keyout", workspace.file("key")];
    const csr = await runOk("openssl", ["req", "-new", "-newkey", "ec", ...options]);
    expect(refusalOf(() => readRequest(Buffer.from(csr)))).toEqual(unusual);
  });
});

it("the CSRs that these are made from are taken", () => {
  expect(readRequest(build()).keyType).toBe("ec-p256");
  expect(readRequest(buildRsa()).keyType).toBe("rsa-2048");
});

function ec(namedCurve: string): Buffer {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
  return buildCsr({ privateKey, spki: derSpki(publicKey) });
}

function rsaOf(modulusLength: number, publicExponent = 65537): Buffer {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength, publicExponent });
  return buildRsa({ privateKey, spki: derSpki(publicKey) });
}

function ed448(): Buffer {
  const { publicKey, privateKey } = generateKeyPairSync("ed448");
  return buildCsr({
    privateKey,
    spki: derSpki(publicKey),
    algorithm: sequence(oid("1.3.101.113")),
    digest: null,
  });
}

/** RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 octets of salt (RFC 4055 §3.1). */
function pssAlgorithm(): Buffer {
  const sha256 = sequence(oid("2.16.840.1.101.3.4.2.1"), nothing());
  const mgf1 = sequence(oid("1.2.840.113549.1.1.8"), sha256);
  const parameters = sequence(
    context(0, true, sha256),
    context(1, true, mgf1),
    context(2, true, integer(32)),
  );
  return sequence(oid("1.2.840.113549.1.1.10"), parameters);
}

function rsaPss(): Buffer {
  const rsaInfo = sequence(integer(0), sequence(), derSpki(rsa.publicKey), attributes());
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const pss = sign("sha256", rsaInfo, { key: rsa.privateKey, padding, saltLength: 32 });
  return sequence(rsaInfo, pssAlgorithm(), bitString(pss));
}

function rsaPssKey(): Buffer {
  const { publicKey, privateKey } = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
  return buildCsr({ privateKey, spki: derSpki(publicKey), algorithm: pssAlgorithm() });
}

function rsaWithoutNull(): Buffer {
  const whole = derSpki(rsa.publicKey);
  return sequence(sequence(oid("1.2.840.113549.1.1.1")), whole.subarray(4 + 15));
}

function withPoint(point: Buffer): Buffer {
  return sequence(sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bitString(point));
}

function compressed(): Buffer {
  const point = spki.subarray(-64);
  return withPoint(Buffer.concat([Buffer.of(2 + ((point.at(-1) ?? 0) & 1)), point.subarray(0, 32)]));
}

function hybrid(): Buffer {
  const point = spki.subarray(-64);
  return withPoint(Buffer.concat([Buffer.of(6 + ((point.at(-1) ?? 0) & 1)), point]));
}

function offCurve(): Buffer {
  const wrong = Buffer.from(spki);
  wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1;
  return wrong;
}
