import { generateKeyPairSync } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { codec } from "../../src/x509/codec.ts";
import { bitString, element, integer, nothing, oid, sequence, time } from "../../src/x509/der-writer.ts";
import { type ForeignCa, readForeignCas } from "../../src/x509/foreign-ca.ts";
import { readForeignLeaf } from "../../src/x509/foreign-leaf.ts";
import { toPem } from "../../src/x509/pem.ts";
import { commonName, ecdsaWithSha256 } from "../support/fixtures-csr.ts";
import {
  type TestIssuer,
  clientTemplate,
  freshSpki,
  makeIssuer,
  testNow,
} from "../support/fixtures-issuer.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";
import { rsaKeys } from "../support/offending-keys.ts";

let partner: TestIssuer;
let cas: readonly ForeignCa[];
let spki: Buffer;
beforeAll(async () => {
  partner = await makeIssuer("ec-p256");
  ({ cas } = readForeignCas(Buffer.from(partner.issuer.der), testNow));
  spki = await freshSpki();
});

const signed = (key: Uint8Array = spki, changes: Parameters<typeof clientTemplate>[1] = {}) =>
  codec.signLeaf(partner.issuer, clientTemplate(key, changes));
const read = (der: Uint8Array, now = testNow) => readForeignLeaf(Buffer.from(der), cas, now);
const refused = (der: Uint8Array) => refusalOf(() => read(der));

/** As X.509 was before 1996: without a version, and so without extensions; rightly signed. */
async function version1(key: Uint8Array = spki): Promise<Buffer> {
  const { subject, signer } = partner.issuer;
  const validity = sequence(time(testNow - MINUTE), time(testNow + HOUR));
  const tbs = sequence(
    ...[integer("4711"), ecdsaWithSha256, subject, validity, sequence(commonName("old")), key],
  );
  return sequence(tbs, ecdsaWithSha256, bitString(await signer.sign(tbs)));
}

test("a client's certificate of that CA is read, in PEM and DER", async () => {
  const der = await signed();
  const [leaf] = [read(der)];
  expect(leaf).toMatchObject({ keyType: "ec-p256", notAfter: testNow + HOUR, issuer: { role: "foreign" } });
  expect(read(Buffer.from(toPem("CERTIFICATE", der)))).toEqual(leaf);
});

test.each([
  ["has ended", { notBefore: testNow - DAY, notAfter: testNow }, "it has expired"],
  ["is not valid yet", { notBefore: testNow + MINUTE }, "it is not valid yet"],
  ["is for servers", { extendedKeyUsage: ["serverAuth"] }, "its extended key usage lacks clientAuth"],
] as const)("one that %s is refused", async (_name, changes, fault) => {
  const message = `The certificate cannot be registered: ${fault}.`;
  expect(refused(await signed(spki, changes))).toMatchObject({ code: "CREDENTIAL_INVALID", message });
});

test("one of another CA is refused, also of one that calls itself the same", async () => {
  const { commonName: name } = partner;
  const other = await makeIssuer("ec-p256", { commonName: name });
  const der = await codec.signLeaf(other.issuer, clientTemplate(spki));
  expect(refused(der).message).toContain("no CA named under 'trust' signed it");
});

test("one of version 1 is refused, which has no extended key usage", async () => {
  expect(refused(await version1())).toMatchObject({
    code: "CREDENTIAL_INVALID",
    message:
      "The certificate cannot be registered: it is not as RFC 5280 has it (not a version 3 certificate).",
  });
});

test("a weak key is refused, one of a kind that is not taken, and one that cannot be read", async () => {
  for (const key of [rsaKeys.bits1024(), rsaKeys.exponent3(), rsaKeys.closePrimes()])
    expect(refused(await signed(key.spki))).toMatchObject({ code: "KEY_WEAK" });
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const other = publicKey.export({ format: "der", type: "spki" });
  expect(refused(await signed(other))).toMatchObject({ code: "KEY_UNSUPPORTED" });
  const algorithm = sequence(oid("1.2.840.113549.1.1.1"), nothing());
  const message = "The certificate cannot be registered: it is not as RFC 5280 has it (";
  expect(refused(await signed(sequence(algorithm, bitString(integer(3)))))).toEqual({
    code: "CREDENTIAL_INVALID",
    message: expect.stringContaining(message) as string,
  });
});

test("what is no certificate is refused", () => {
  for (const bytes of [Buffer.from("a certificate"), sequence(integer(1)), element(0x04)])
    expect(refused(bytes)).toMatchObject({ code: "CREDENTIAL_INVALID" });
});
