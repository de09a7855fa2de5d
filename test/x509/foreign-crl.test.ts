import { beforeAll, describe, expect, test } from "vitest";
import { parseSerial } from "../../src/domain/identifiers.ts";
import { HOLD } from "../../src/domain/revocation.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { signCrl } from "../../src/x509/crl-writer.ts";
import { bitString, boolean, context, integer, sequence, time } from "../../src/x509/der-writer.ts";
import { extension, extensionIds } from "../../src/x509/extensions.ts";
import { type ForeignCa, readForeignCas } from "../../src/x509/foreign-ca.ts";
import { readForeignCrl } from "../../src/x509/foreign-crl.ts";
import { toPem } from "../../src/x509/pem.ts";
import { ecdsaWithSha256 } from "../support/fixtures-csr.ts";
import { type TestIssuer, makeIssuer, testNow } from "../support/fixtures-issuer.ts";

const ISSUING_DISTRIBUTION_POINT = "2.5.29.28";
const CERTIFICATE_ISSUER = "2.5.29.29";
const life = { thisUpdate: testNow, nextUpdate: testNow + DAY };
const [one, held] = [parseSerial("1a"), parseSerial("80aa")];
const entries = [
  { serial: one, at: testNow - HOUR, reason: undefined },
  { serial: held, at: testNow, reason: HOLD },
];

let partner: TestIssuer;
let cas: readonly ForeignCa[];
beforeAll(async () => {
  partner = await makeIssuer("ec-p256");
  ({ cas } = readForeignCas(Buffer.from(partner.issuer.der), testNow));
});

const read = (der: Uint8Array) => readForeignCrl(Buffer.from(der), cas);
const signed = (changes: Partial<Parameters<typeof signCrl>[1]> = {}, { issuer } = partner) =>
  signCrl(issuer, { number: 7, ...life, entries, ...changes });

/** A list that our writer does not make, rightly signed. */
async function made({
  entry = [],
  list = [],
}: {
  readonly entry?: readonly Uint8Array[];
  readonly list?: readonly Uint8Array[];
}): Promise<Buffer> {
  const { subject, signer } = partner.issuer;
  const fields = [integer("1a"), time(testNow), ...(entry.length > 0 ? [sequence(...entry)] : [])];
  const number = extension(extensionIds.crlNumber, false, integer(7));
  const tbs = sequence(
    ...[integer(1), ecdsaWithSha256, subject, time(life.thisUpdate), time(life.nextUpdate)],
    ...[sequence(sequence(...fields)), context(0, true, sequence(number, ...list))],
  );
  return sequence(tbs, ecdsaWithSha256, bitString(await signer.sign(tbs)));
}

test("a full list is read, with what it lists as revoked and as held", async () => {
  const der = await signed();
  const crl = await read(der);
  expect(crl).toMatchObject({ issuer: cas[0]?.id, number: 7n, ...life });
  expect([...crl.listed]).toEqual([
    [one, "revoked"],
    [held, "suspended"],
  ]);
  expect(await read(Buffer.from(toPem("X509 CRL", der)))).toEqual(crl);
  expect([...(await read(await made({}))).listed]).toEqual([[one, "revoked"]]);
});

test("one that has ended is read too: what it denies stays denied", async () => {
  const ended = { thisUpdate: testNow - 2 * DAY, nextUpdate: testNow - DAY };
  const crl = await read(await signed(ended));
  expect([crl.nextUpdate, crl.listed.size]).toEqual([testNow - DAY, 2]);
});

describe("refused is", () => {
  test("one that another CA of that name has signed, and one whose signature is wrong", async () => {
    const other = await makeIssuer("ec-p256", { commonName: partner.commonName });
    await expect(read(await signed({}, other))).rejects.toThrow("no CA of that name signed it");
    const der = Buffer.from(await signed());
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    await expect(read(der)).rejects.toThrow("no CA of that name signed it");
  });

  test("one that says something else than was signed", async () => {
    const der = Buffer.from(await signed());
    const at = der.indexOf(Buffer.from("02020080aa", "hex").subarray(2));
    der[at + 2] = 0xab;
    await expect(read(der)).rejects.toThrow("no CA of that name signed it");
  });

  const critical = (id: string, value: Uint8Array) => extension(id, true, value);
  test.each([
    ["a delta", { list: [critical(extensionIds.deltaCrlIndicator, integer(6))] }],
    // indirectCRL [4] BOOLEAN (RFC 5280 §5.2.5)
    [
      "an indirect one",
      {
        list: [critical(ISSUING_DISTRIBUTION_POINT, sequence(context(4, false, Buffer.from([0xff]))))],
      },
    ],
    ["one with something else that must be understood", { list: [critical("1.2.3.4", boolean(true))] }],
  ])("%s", async (_name, parts) => {
    await expect(read(await made(parts))).rejects.toThrow("it is a delta, partial or indirect");
  });

  test("one with an entry of another CA's", async () => {
    const entry = [critical(CERTIFICATE_ISSUER, sequence())];
    await expect(read(await made({ entry }))).rejects.toThrow("an entry has a critical extension");
  });
});

test("a list of a hundred thousand is read, and leaves the event loop to others meanwhile", async () => {
  const many = Array.from({ length: 100_000 }, (_none, index) => ({
    serial: parseSerial((0x10_0000_0000 + index).toString(16)),
    ...{ at: testNow, reason: undefined },
  }));
  const der = await signed({ entries: many });
  let turns = 0;
  let isRead = false;
  const turn = (): void => {
    turns += 1;
    if (!isRead) setImmediate(turn);
  };
  setImmediate(turn);
  const { listed } = await read(der);
  isRead = true;
  expect(listed.size).toBe(100_000);
  expect(many.every(({ serial }) => listed.get(serial) === "revoked")).toBe(true);
  expect(turns).toBeGreaterThan(20);
});
