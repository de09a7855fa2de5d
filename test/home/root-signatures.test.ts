import { X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import type { Root } from "../../src/home/root.ts";
import { readRootCrl, signIssuer, signRootCrl } from "../../src/home/root-signatures.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { readCertificate } from "../../src/x509/certificate-reader.ts";
import { oid, sequence, set, utf8String } from "../../src/x509/der-writer.ts";
import { buildCsr } from "../support/fixtures-csr.ts";
import { makeIssuer, testNow } from "../support/fixtures-issuer.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";
import { csrOf, expectRefusal, makeCsr, testClock } from "../support/issuing.ts";
import { csrSignedBy, rsaKeys } from "../support/offending-keys.ts";
import { testWorkspace } from "../support/workspace.ts";

const NAME = 'Zoë\'s #1 "CA", Smith + Co. \\ a=b';
const clock = testClock(testNow);

let root: Root;
beforeEach(async () => {
  root = await rootOf("ec-p256");
});

async function rootOf(keyType: KeyType): Promise<Root> {
  const { path, file } = await testWorkspace();
  const { issuer, keys } = await makeIssuer(keyType, { commonName: `${NAME} Root CA` });
  const places = { cert: path, key: path, password: path, crl: undefined };
  return { issuer, keys, place: { ...places, journal: file("journal"), publicUrl: "http://ca.internal" } };
}

const sign = (csr: Uint8Array, life = DAY, by = root): Promise<Buffer> =>
  signIssuer(by, clock, { csr, name: parseSlug("edge"), life });
const journal = ({ place } = root): Record<string, unknown>[] => {
  const lines = readFileSync(place.journal, { encoding: "latin1", flag: "a+" }).split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
};

const quickTypes = keyTypes.filter((keyType) => !/^rsa-[34]/.test(keyType));
test.each(quickTypes)(
  "an issuing CA is called after the home, and is in the journal: %s",
  async (keyType) => {
    const der = await sign(await makeCsr(keyType));
    const name = sequence(set(sequence(oid("2.5.4.3"), utf8String(`${NAME} Issuing CA edge`))));
    expect(Buffer.from(readCertificate(der).subject).equals(name)).toBe(true);
    const { validFromDate, validToDate } = new X509Certificate(der);
    expect(validToDate.getTime() - validFromDate.getTime()).toBe(DAY + HOUR);
    const { serial } = readCertificate(der);
    expect(journal()).toMatchObject([{ signs: "issuer", name: "edge", serial }]);
  },
);

test.each(quickTypes)("a root of type %s signs a CA and a CRL", async (keyType) => {
  const own = await rootOf(keyType);
  const der = await sign(await makeCsr(), DAY, own);
  expect(new X509Certificate(der).verify(own.keys.publicKey)).toBe(true);
  const first = await signRootCrl(own, clock, undefined, DAY);
  expect(readRootCrl(first.der, own.issuer.der)).toMatchObject({ number: 1, nextUpdate: testNow + DAY });
  expect(journal(own)).toMatchObject([{ signs: "issuer" }, { signs: "crl", number: 1 }]);
});

test("nothing outlives the root, however long it is to live", async () => {
  const der = await sign(await makeCsr(), 365 * DAY);
  expect(new X509Certificate(der).validTo).toBe(new X509Certificate(root.issuer.der).validTo);
  const { nextUpdate } = await signRootCrl(root, clock, undefined, 365 * DAY);
  expect(nextUpdate).toBe(root.issuer.notAfter);
});

async function signedByAnother(): Promise<Buffer> {
  const [own, other] = [await makeKeyPair("ec-p256"), await makeKeyPair("ec-p256")];
  const spki = own.publicKey.export({ format: "der", type: "spki" });
  return buildCsr({ privateKey: other.privateKey, spki });
}

test.each<[string, ErrorCode, string, () => Uint8Array | Promise<Uint8Array>]>([
  [
    "what is no CSR",
    "CSR_MALFORMED",
    "The CSR is not one PKCS#10 request in PEM or DER.",
    () => Buffer.from("hello"),
  ],
  [
    "a CSR that another key signed",
    "CSR_SIGNATURE_INVALID",
    "The CSR's signature does not verify with the key in it.",
    signedByAnother,
  ],
  [
    "a key that is too short",
    "KEY_WEAK",
    "An RSA key needs at least 2048 bits; this one has 1024.",
    () => csrSignedBy(rsaKeys.bits1024()),
  ],
  [
    "a key that is soon factored",
    "KEY_WEAK",
    "An RSA key's primes must not be close to each other.",
    () => csrSignedBy(rsaKeys.closePrimes()),
  ],
  ["the root's own key", "ISSUER_INVALID", "That is the root's own key.", () => csrOf(root.keys)],
])("%s is not signed, and the journal has no word of it", async (_name, code, message, make) => {
  await expectRefusal(sign(await make()), code, message);
  expect(journal()).toEqual([]);
});

test("what is to be signed is in the journal first: it is there when signing fails", async () => {
  const signer = { ...root.issuer.signer, sign: () => Promise.reject(new Error("the HSM is gone")) };
  const broken = { ...root, issuer: { ...root.issuer, signer } };
  await expect(signRootCrl(broken, clock, undefined, DAY)).rejects.toThrow("the HSM is gone");
  expect(journal()).toMatchObject([{ signs: "crl", number: 1 }]);
});

test("nothing is signed when the journal cannot be written", async () => {
  mkdirSync(root.place.journal);
  let signatures = 0;
  const signer = {
    ...root.issuer.signer,
    sign: (data: Uint8Array) => {
      signatures += 1;
      return root.issuer.signer.sign(data);
    },
  };
  const counting = { ...root, issuer: { ...root.issuer, signer } };
  const message = `${root.place.journal} cannot be written.`;
  await expectRefusal(signRootCrl(counting, clock, undefined, DAY), "FILE_UNREADABLE", message);
  await expectRefusal(sign(await makeCsr(), DAY, counting), "FILE_UNREADABLE", message);
  expect(signatures).toBe(0);
});

test("the next CRL has the next number, and the entries of the one before", async () => {
  const entries = [{ serial: readCertificate(root.issuer.der).serial, at: testNow, reason: 4 }];
  const { der } = await signRootCrl(root, clock, undefined, DAY);
  const previous = { ...readRootCrl(der, root.issuer.der), number: 41, entries };
  const next = await signRootCrl(root, clock, previous, DAY);
  expect(readRootCrl(next.der, root.issuer.der)).toMatchObject({ number: 42, entries });
});

test("a CRL of another root is none of this one's", async () => {
  const { der } = await signRootCrl(await rootOf("ec-p256"), clock, undefined, DAY);
  const message = "This is no CRL of the root: its issuer did not sign it.";
  expect(refusalOf(() => readRootCrl(der, root.issuer.der))).toEqual({ code: "CRL_INVALID", message });
});
