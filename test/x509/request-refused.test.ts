import { sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import {
  bitString,
  boolean,
  context,
  element,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  utf8String,
} from "../../src/x509/der-writer.ts";
import { toPem } from "../../src/x509/pem.ts";
import {
  type CsrParts,
  attributes,
  buildCsr,
  commonName,
  ecdsaWithSha256,
  rdn,
  signInfo,
  readRequest,
} from "../support/fixtures-csr.ts";
import { type Refused, refusalOf } from "../support/fixtures-refusal.ts";

const pair = await makeKeyPair("ec-p256");
const spki = pair.publicKey.export({ format: "der", type: "spki" });
const build = (parts: Partial<CsrParts> = {}): Buffer =>
  buildCsr({ privateKey: pair.privateKey, spki, ...parts });

const good = build();
const pem = toPem("CERTIFICATE REQUEST", good);
const info = sequence(integer(0), sequence(commonName("me")), spki, attributes());
const signature = bitString(sign("sha256", info, pair.privateKey));
const contents = Buffer.concat([info, ecdsaWithSha256, signature]);

const malformed: Refused = {
  code: "CSR_MALFORMED",
  message: "The CSR is not one PKCS#10 request in PEM or DER.",
};
const tooLarge: Refused = { code: "CSR_MALFORMED", message: "The CSR is larger than 16 KiB." };

type Case = readonly [string, Uint8Array | string, Refused];

const wrappings: readonly Case[] = [
  ["nothing", "", malformed],
  ["words", "hello", malformed],
  ["two PEM blocks", pem + pem, malformed],
  ["text before the block", `Certificate Request:\n${pem}`, malformed],
  ["text after the block", `${pem}-- \nme`, malformed],
  ["a certificate's label", toPem("CERTIFICATE", good), malformed],
  [
    "PEM with trailing data inside",
    toPem("CERTIFICATE REQUEST", Buffer.concat([good, Buffer.of(0)])),
    malformed,
  ],
  ["DER with trailing data", Buffer.concat([good, Buffer.of(0)]), malformed],
  ["two CSRs in DER", Buffer.concat([good, good]), malformed],
  ["a cut CSR", good.subarray(0, -1), malformed],
  ["base64 without PEM", good.toString("base64"), malformed],
  ["a byte order mark", `\uFEFF${pem}`, malformed],
  ["DER after white space", Buffer.concat([Buffer.from("\n"), good]), malformed],
  ["a key alone", spki, malformed],
  ["more than 16 KiB of DER", build({ subject: sequence(commonName("x".repeat(17_000))) }), tooLarge],
  [
    "more than 16 KiB in PEM",
    toPem("CERTIFICATE REQUEST", build({ subject: sequence(commonName("x".repeat(17_000))) })),
    tooLarge,
  ],
  ["a megabyte", Buffer.alloc(1 << 20, "A"), tooLarge],
];

const structures: readonly Case[] = [
  ["BER: an indefinite length", Buffer.concat([Buffer.of(0x30, 0x80), contents, Buffer.of(0, 0)]), malformed],
  [
    "BER: a length with a leading zero",
    Buffer.concat([Buffer.of(0x30, 0x83, 0, contents.length >> 8, contents.length & 0xff), contents]),
    malformed,
  ],
  [
    "BER: a constructed string in the subject",
    build({ subject: sequence(rdn("2.5.4.3", element(0x2c, utf8String("me")))) }),
    malformed,
  ],
  [
    "BER: TRUE as 1",
    build({ attributes: attributes(sequence(oid("1.2.3"), set(element(0x01, Buffer.of(1))))) }),
    malformed,
  ],
  ["version 1", build({ version: integer(1) }), malformed],
  ["version -1", build({ version: element(0x02, Buffer.of(0xff)) }), malformed],
  ["no version", signInfo(sequence(sequence(), spki, attributes()), pair.privateKey), malformed],
  ["something after the attributes", build({ trailing: nothing() }), malformed],
  ["attributes with another tag", build({ attributes: context(1, true) }), malformed],
  [
    "an attribute without a value",
    build({ attributes: attributes(sequence(oid("1.2.3"), set())) }),
    malformed,
  ],
  ["an attribute without a type", build({ attributes: attributes(sequence(set(nothing()))) }), malformed],
  [
    "an attribute with more to it",
    build({ attributes: attributes(sequence(oid("1.2.3"), set(nothing()), nothing())) }),
    malformed,
  ],
  ["a subject that is no list", build({ subject: boolean(true) }), malformed],
  ["an empty RDN", build({ subject: sequence(set()) }), malformed],
  ["a name without a value", build({ subject: sequence(set(sequence(oid("2.5.4.3")))) }), malformed],
  ["something after the signature", sequence(contents, nothing()), malformed],
  ["no signature", sequence(info, ecdsaWithSha256), malformed],
  ["a signature of seven bits", sequence(info, ecdsaWithSha256, bitString(Buffer.of(0x80), 7)), malformed],
  ["a signature as OCTET STRING", sequence(info, ecdsaWithSha256, octetString(Buffer.alloc(70))), malformed],
  [
    "a text in the subject that is not UTF-8",
    build({ subject: sequence(rdn("2.5.4.3", element(0x0c, Buffer.of(0xc3, 0x28)))) }),
    malformed,
  ],
  [
    "a BMPString of odd length",
    build({ subject: sequence(rdn("2.5.4.3", element(0x1e, Buffer.of(0, 0x41, 0)))) }),
    malformed,
  ],
  [
    "a UniversalString of odd length",
    build({ subject: sequence(rdn("2.5.4.3", element(0x1c, Buffer.of(0, 0x41)))) }),
    malformed,
  ],
  [
    "a name that is no string: a private tag",
    build({ subject: sequence(rdn("2.5.4.3", element(0xc1, Buffer.of(1)))) }),
    malformed,
  ],
  [
    "a name that is no string: tag 13",
    build({ subject: sequence(rdn("2.5.4.3", element(0x0d, Buffer.of(1)))) }),
    malformed,
  ],
];

describe.each([
  ["wrapping", wrappings],
  ["structure", structures],
])("a CSR is refused for its %s", (_part, cases) => {
  it.each(cases)("%s", (_name, csr, refused) => {
    expect(refusalOf(() => readRequest(Buffer.from(csr)))).toEqual(refused);
  });
});

it("the CSR that these are made from is taken", () => {
  for (const csr of [good, Buffer.from(pem), sequence(contents)])
    expect(readRequest(csr).keyType).toBe("ec-p256");
});
