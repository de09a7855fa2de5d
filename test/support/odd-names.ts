import fc from "fast-check";
import { context, element, nothing, oid, sequence, utf8String } from "../../src/x509/der-writer.ts";
import { rdn } from "./fixtures-csr.ts";

// Names that a client may write into a CSR: in every kind of string, and of every kind that a SAN may have.

const encoders: Readonly<Record<string, (text: string) => Buffer>> = {
  UTF8String: (text) => element(0x0c, Buffer.from(text, "utf8")),
  NumericString: (text) => element(0x12, Buffer.from(text, "latin1")),
  PrintableString: (text) => element(0x13, Buffer.from(text, "latin1")),
  TeletexString: (text) => element(0x14, Buffer.from(text, "latin1")),
  IA5String: (text) => element(0x16, Buffer.from(text, "latin1")),
  UniversalString: (text) =>
    element(0x1c, ...Array.from(text, (character) => fourOctets(character.codePointAt(0) ?? 0))),
  BMPString: (text) => {
    const characters = Array.from(text).filter(({ length }) => length === 1); // what it can have, and lone surrogates
    return element(0x1e, Buffer.from(characters.join(""), "utf16le").swap16());
  },
};

function fourOctets(codePoint: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(codePoint);
  return octets;
}

/** One of each class of code points that anything has ever stumbled over, lone surrogates too. */
const oddCharacters = [
  ...[
    "\0",
    "\n",
    "\r",
    "\t",
    "\x1b",
    "\x7f",
    "\x80",
    "\x9f",
    "\xa0",
    "\xad",
    "\xff",
    "\u0130",
    "\u0301",
    "\u05d0",
  ],
  ...[
    "\u200d",
    "\u202e",
    "\u2028",
    "\u212a",
    "\ufeff",
    "\ufffd",
    "\uffff",
    "😀",
    "\u{10ffff}",
    "\ud800",
    "\udfff",
  ],
  ...["=", ",", "+", '"', "\\", "/", ";", "<", ">", "#", "%", "'", " ", "{", "}", "*", ".", ":", "@"],
];
const text = fc.oneof(
  { arbitrary: fc.string({ unit: "grapheme-composite", maxLength: 80 }), weight: 5 },
  { arbitrary: fc.string({ unit: fc.constantFrom(...oddCharacters), maxLength: 20 }), weight: 1 },
  {
    arbitrary: fc.constantFrom(
      "",
      "root",
      "fuzzed",
      ..."xü0".split("").flatMap((one) => [one.repeat(64), one.repeat(65), one.repeat(3000)]),
    ),
    weight: 1,
  },
);
/** A string of any kind, DER. */
export const nameString = fc
  .tuple(fc.constantFrom(...Object.values(encoders)), text)
  .map(([encode, value]) => encode(value));
/** A kind of string around octets that are none of its own, as far as it can be told. */
const wrongString = fc
  .tuple(
    fc.constantFrom(0x0c, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1e, 0x04, 0x03, 0x30),
    fc.uint8Array({ maxLength: 9 }),
  )
  .map(([tag, octets]) => element(tag, octets));
const nameIds = [
  "2.5.4.3",
  "2.5.4.4",
  "2.5.4.5",
  "2.5.4.6",
  "2.5.4.10",
  "2.5.4.97",
  "1.2.840.113549.1.9.1",
  "1.3.6.1.4.1.99999.1",
];

/** A Name, DER. */
export const subjects: fc.Arbitrary<Buffer> = fc
  .array(
    fc.tuple(
      fc.constantFrom(...nameIds),
      fc.oneof({ arbitrary: nameString, weight: 30 }, { arbitrary: wrongString, weight: 1 }),
    ),
    { maxLength: 5 },
  )
  .map((names) => sequence(...names.map(([id, value]) => rdn(id, value))));

const dnsTexts = fc.oneof(
  fc.constantFrom(
    ...["db.example.internal", "DB.Example.Internal", "x.apps.example.internal", "a.b.apps.EXAMPLE.internal"],
    ...[
      "apps.example.internal",
      ".apps.example.internal",
      "*.apps.example.internal",
      "x.apps.example.internal.",
    ],
    ...[
      "x..apps.example.internal",
      "-x.apps.example.internal",
      "x_y.apps.example.internal",
      "evilapps.example.internal",
    ],
    ...[
      "db.example.internal\0.evil.test",
      "evil.test\0.apps.example.internal",
      "x .apps.example.internal",
      "",
    ],
    ...[
      "x.apps.example.internal\n",
      "b\xfc.apps.example.internal",
      "xn--bcher-kva.apps.example.internal",
      "localhost",
    ],
    ...[`${"a".repeat(63)}.apps.example.internal`, `${"a".repeat(64)}.apps.example.internal`],
    ...[`${"a.".repeat(115)}apps.example.internal`, `${"a.".repeat(116)}apps.example.internal`, "10.1.0.1"],
  ),
  fc.string({ unit: "binary-ascii", maxLength: 12 }).map((label) => `${label}.apps.example.internal`),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const addresses = fc.oneof(
  fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => Buffer.of(10, 1, a, b)),
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc
    .uint8Array({ minLength: 12, maxLength: 12 })
    .map((rest) => Buffer.concat([Buffer.from("20010db8", "hex"), rest])),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc
    .constantFrom(
      "00000000000000000000ffff0a010203",
      "0000000000000000000000000a010203",
      "0064ff9b00000000000000000a010203",
    )
    .map((hex) => Buffer.from(hex, "hex")),
);
const wrongAddresses = fc.uint8Array({ maxLength: 20 }).filter(({ length }) => length !== 4 && length !== 16);

/** With what it counts as: a DNS name in lower case, or an address in hex. */
export interface General {
  readonly der: Buffer;
  readonly dns?: string;
  readonly address?: string;
}

const otherGeneral: readonly Buffer[] = [
  context(0, true, oid("1.3.6.1.4.1.311.20.2.3"), context(0, true, utf8String("root@example.internal"))),
  context(1, false, Buffer.from("root@example.internal")),
  context(3, true, sequence()),
  context(4, true, sequence(rdn("2.5.4.3", utf8String("root")))),
  context(5, true, context(1, true, utf8String("party"))),
  context(6, false, Buffer.from("spiffe://countersign.internal/account/root")),
  context(8, false, Buffer.of(0x2a, 3)),
];
/** A GeneralName (RFC 5280 §4.2.1.6). */
export const general: fc.Arbitrary<General> = fc.oneof(
  dnsTexts.map((name) => {
    const octets = Buffer.from(name, "latin1");
    return { der: context(2, false, octets), dns: octets.toString("latin1").toLowerCase() };
  }),
  addresses.map((octets) => ({
    der: context(7, false, octets),
    address: Buffer.from(octets).toString("hex"),
  })),
  fc.constantFrom(...otherGeneral).map((der) => ({ der })),
);
/** None, or a malformed one. */
export const wrongGeneral = fc.oneof(
  wrongAddresses.map((octets) => context(7, false, octets)),
  fc.constantFrom(nothing(), context(2, true, nothing())),
);
