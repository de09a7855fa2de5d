import { mkdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { parseSerial } from "../../src/domain/identifiers.ts";
import { keyTypes } from "../../src/domain/key-policy.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { codec } from "../../src/x509/codec.ts";
import { readCrl } from "../../src/x509/crl-reader.ts";
import { signCrl } from "../../src/x509/crl-writer.ts";
import { bitString, context, enumerated, integer, oid, sequence, time } from "../../src/x509/der-writer.ts";
import { authorityKeyIdentifier, extension, extensionIds } from "../../src/x509/extensions.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type TestIssuer, makeIssuer, testNow } from "../support/fixtures-issuer.ts";
import { ecdsaWithSha256 } from "../support/fixtures-csr.ts";
import { runOk } from "../support/run.ts";
import { testWorkspace } from "../support/workspace.ts";

const life = { thisUpdate: testNow, nextUpdate: testNow + DAY };
const entries = [
  { serial: parseSerial("1a"), at: testNow - HOUR, reason: undefined },
  { serial: parseSerial("ff"), at: testNow - HOUR, reason: 1 },
  { serial: parseSerial("80aa"), at: testNow, reason: 6 },
  { serial: parseSerial("80ab"), at: testNow, reason: 1, invalidityAt: testNow - DAY },
];

let root: TestIssuer;
let good: Uint8Array;
beforeAll(async () => {
  root = await makeIssuer("ec-p256");
  good = await signCrl(root.issuer, { number: 4711, ...life, entries });
});

const read = (bytes: Uint8Array, by = root) => readCrl(bytes, by.issuer.der);
const numbered = (number: Uint8Array = integer(2)) => extension(extensionIds.crlNumber, false, number);

/** A CRL that our writer doesn't make, rightly signed by the root. */
async function made(parts: {
  readonly nextUpdate?: Uint8Array;
  readonly entries?: readonly Uint8Array[];
  readonly extensions?: readonly Uint8Array[];
  readonly trailing?: Uint8Array;
}): Promise<Buffer> {
  const { issuer } = root;
  const { nextUpdate = time(life.nextUpdate), trailing = Buffer.alloc(0), extensions = [numbered()] } = parts;
  const tbs = sequence(
    ...[integer(1), ecdsaWithSha256, issuer.subject, time(life.thisUpdate), nextUpdate],
    ...(parts.entries ? [sequence(...parts.entries)] : []),
    context(0, true, sequence(authorityKeyIdentifier(issuer.id), ...extensions)),
  );
  return sequence(tbs, ecdsaWithSha256, bitString(await issuer.signer.sign(tbs)), trailing);
}

describe("a CRL is read", () => {
  it.each<[string, (der: Uint8Array) => Uint8Array]>([
    ["DER", (der) => der],
    ["PEM", (der) => Buffer.from(toPem("X509 CRL", der))],
    ["PEM with white space around it", (der) => Buffer.from(`\r\n${toPem("X509 CRL", der)}\n`)],
  ])("in %s, with each entry's serial, times and reason", (_form, encode) => {
    const crl = read(encode(good));
    expect(crl).toEqual({ ...life, issuerId: root.issuer.id, number: 4711, der: crl.der, entries });
    expect(Buffer.from(crl.der).equals(good)).toBe(true);
  });

  it.each(keyTypes.filter((keyType) => !/^rsa-[34]/.test(keyType)))("signed by %s", async (keyType) => {
    const issuer = await makeIssuer(keyType);
    const der = await codec.signCrl(issuer.issuer, { number: 1, ...life, entries });
    expect(read(der, issuer)).toMatchObject({ issuerId: issuer.issuer.id, number: 1, entries });
    expect(() => read(der)).toThrow("its issuer did not sign it");
  });

  it("without entries", async () => {
    const der = await signCrl(root.issuer, { number: 1, ...life, entries: [] });
    expect(read(der)).toMatchObject({ number: 1, entries: [] });
  });

  it.each([0, 1, 127, 128, 65_536, 2 ** 40, Number.MAX_SAFE_INTEGER])("with number %i", async (number) => {
    expect(read(await signCrl(root.issuer, { number, ...life, entries: [] })).number).toBe(number);
  });

  it("made by openssl", async () => {
    const workspace = await testWorkspace();
    mkdirSync(workspace.file("db"));
    const key = root.keys.privateKey.export({ format: "pem", type: "pkcs8" });
    const revoked = "R\t301231235959Z\t250102030405Z,keyCompromise\t0ABC\tunknown\t/CN=one\n";
    for (const [name, contents] of Object.entries({
      "root.key": key,
      "root.crt": toPem("CERTIFICATE", root.issuer.der),
      "db/index.txt": revoked + revoked.replace(",keyCompromise", "").replace("0ABC", "0ABD"),
      "db/crlnumber": "1F\n",
      "ca.cnf": [
        ...["[ca]", "default_ca = this", "[this]", "default_md = sha256", "default_crl_days = 30"],
        ...["database = db/index.txt", "crlnumber = db/crlnumber", "certificate = root.crt"],
        ...["private_key = root.key", "crl_extensions = ext", "[ext]", "authorityKeyIdentifier = keyid", ""],
      ].join("\n"),
    })) {
      writeFileSync(workspace.file(name), contents);
    }
    const pem = await runOk("openssl", ["ca", "-gencrl", "-config", "ca.cnf"], { cwd: workspace.path });
    const at = Date.UTC(2025, 0, 2, 3, 4, 5);
    expect(read(Buffer.from(pem))).toMatchObject({
      issuerId: root.issuer.id,
      number: 0x1f,
      entries: [
        { serial: "abc", at, reason: 1 },
        { serial: "abd", at, reason: undefined },
      ],
    });
  });
});

describe("what is not one CRL is refused", () => {
  it.each<[string, () => Uint8Array, string]>([
    ["nothing", () => Buffer.alloc(0), "it is not one CRL in PEM or DER"],
    ["other text", () => Buffer.from("hello"), "it is not one CRL in PEM or DER"],
    ["other DER", () => sequence(integer(1)), "CertificateList ASN1 schema"],
    ["a certificate", () => root.issuer.der, "TBSCertList ASN1 schema"],
    [
      "a certificate in PEM",
      () => Buffer.from(toPem("CERTIFICATE", root.issuer.der)),
      "it is not one CRL in PEM or DER",
    ],
    ["two in PEM", () => Buffer.from(toPem("X509 CRL", good).repeat(2)), "it is not one CRL in PEM or DER"],
    ["one that is cut short", () => good.subarray(0, -1), "End of input reached"],
    ["one with an octet after it", () => Buffer.concat([good, Buffer.of(0)]), "bytes left over"],
  ])("%s", (_name, bytes, message) => {
    expect(() => read(bytes())).toThrow(message);
  });
});

describe("a CRL is refused", () => {
  it("that another issuer signed, under its own name and under this one's", async () => {
    const stranger = await makeIssuer("ec-p256");
    const namesake = await makeIssuer("ec-p256", { commonName: root.commonName });
    for (const { issuer } of [stranger, namesake]) {
      const der = await signCrl(issuer, { number: 5000, ...life, entries });
      expect(() => read(der)).toThrow("its issuer did not sign it");
    }
  });

  it("that the issuer's key signed under another name", async () => {
    const { subject } = (await makeIssuer("ec-p256")).issuer;
    const der = await signCrl({ ...root.issuer, subject }, { number: 5000, ...life, entries });
    expect(() => read(der)).toThrow("its issuer did not sign it");
  });

  it.each<[string, (der: Buffer) => number]>([
    ["the number", (der) => der.indexOf(integer(4711)) + 3],
    ["a serial", (der) => der.indexOf(integer("80aa")) + 4],
    ["the end", (der) => der.indexOf(time(life.nextUpdate)) + 13],
    ["the signature", (der) => der.length - 1],
  ])("with a bit of %s changed", (_part, position) => {
    const der = Buffer.from(good);
    const at = position(der);
    der.writeUInt8(der.readUInt8(at) ^ 1, at);
    expect(() => read(der)).toThrow("its issuer did not sign it");
  });

  it("signed in a way that is not used here", async () => {
    const der = Buffer.from(await made({}));
    const [named, other] = [oid("1.2.840.10045.4.3.2"), oid("1.2.840.10045.4.3.1")];
    for (const at of [der.indexOf(named), der.lastIndexOf(named)]) other.copy(der, at);
    expect(() => read(der)).toThrow("its issuer did not sign it");
  });

  it.each<[string, Parameters<typeof made>[0], string]>([
    ["without a number", { extensions: [] }, "it lacks a number or nextUpdate"],
    ["without nextUpdate", { nextUpdate: Buffer.alloc(0) }, "it lacks a number or nextUpdate"],
    [
      "with a negative number",
      { extensions: [numbered(Buffer.from("0201ff", "hex"))] },
      "its number is negative, or too large to be counted on from",
    ],
    [
      "with a number of 20 octets",
      { extensions: [numbered(integer("7f".repeat(20)))] },
      "its number is negative, or too large to be counted on from",
    ],
    [
      "with something after the number",
      { extensions: [numbered(Buffer.from("02010200", "hex"))] },
      "left over",
    ],
    ["with something after the signature", { trailing: integer(1) }, "bytes left over"],
    [
      "that is a delta to another (RFC 5280 §5.2.4)",
      { extensions: [numbered(), extension("2.5.29.27", true, integer(1))] },
      "it has a critical extension, as a full CRL has not",
    ],
    [
      "that is about users' certificates alone (§5.2.5)",
      {
        extensions: [numbered(), extension("2.5.29.28", true, sequence(context(1, false, Buffer.of(0xff))))],
      },
      "it has a critical extension, as a full CRL has not",
    ],
    [
      "with an entry that must be understood (§5.3)",
      { entries: [sequence(integer(5), time(testNow), sequence(extension("2.5.29.29", true, sequence())))] },
      "it has a critical extension, as a full CRL has not",
    ],
    [
      "with a serial of 21 octets",
      { entries: [sequence(integer("11".repeat(21)), time(testNow))] },
      "serial",
    ],
  ])("%s", async (_name, parts, message) => {
    const der = await made(parts);
    expect(() => read(der)).toThrow(message);
  });

  it("only for what is wrong with it: as these tests make it, it is read", async () => {
    const reason = sequence(extension(extensionIds.reasonCode, false, enumerated(4)));
    const der = await made({ entries: [sequence(integer(5), time(testNow), reason)] });
    expect(read(der)).toMatchObject({ number: 2, entries: [{ serial: "5", at: testNow, reason: 4 }] });
  });
});
