import { sign } from "node:crypto";
import fc from "fast-check";
import type { KeyType } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { algorithmFor } from "../../src/x509/algorithms.ts";
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
import { attributes, commonName, extensionRequest, rdn } from "./fixtures-csr.ts";

/** A key and what it signs: CSRs of any form, with right signatures. */
export interface CsrMaker {
  readonly keyType: KeyType;
  readonly spki: Buffer;
  /** A CertificationRequestInfo (DER), made of these parts. */
  info(parts?: CsrParts): Buffer;
  /** A CSR (DER) over an info, with the key's usual algorithm, or with another and that one's AlgorithmIdentifier. */
  signed(info: Uint8Array, algorithm?: Uint8Array, digest?: string | null): Buffer;
}

export interface CsrParts {
  readonly subject?: Uint8Array;
  readonly spki?: Uint8Array;
  /** The whole field. */
  readonly attributes?: Uint8Array;
}

export async function makeCsrMaker(keyType: KeyType): Promise<CsrMaker> {
  const { privateKey, publicKey } = await makeKeyPair(keyType);
  const own = publicKey.export({ format: "der", type: "spki" });
  const usual = algorithmFor(keyType);
  return {
    ...{ keyType, spki: own },
    info: ({ subject = richSubject, spki = own, attributes: field = knownAttributes } = {}) =>
      sequence(integer(0), subject, spki, field),
    signed: (info, algorithm = usual.identifier, digest = usual.digest) =>
      sequence(info, algorithm, bitString(sign(digest, info, privateKey))),
  };
}

const richSubject = sequence(
  commonName("Zoë"),
  rdn("2.5.4.6", element(0x13, Buffer.from("DE"))),
  rdn("2.5.4.11", element(0x1e, Buffer.from("0041", "hex"))),
  rdn("1.2.840.113549.1.9.1", element(0x16, Buffer.from("a@b"))),
);

export const knownAttributes = attributes(
  extensionRequest(
    extension("2.5.29.19", true, sequence(boolean(true))),
    extension("2.5.29.15", true, bitString(Buffer.of(4), 2)),
    extension("2.5.29.17", false, sequence(context(2, false, Buffer.from("x.test")))),
  ),
  sequence(oid("1.2.840.113549.1.9.7"), set(utf8String("secret"))),
);

/** @peculiar/x509 reads the contents of the extensions that it knows, too, which we leave unread. */
export const unknownAttributes = attributes(
  sequence(oid("1.3.6.1.4.1.99999.1"), set(utf8String("text"), sequence(integer(1)))),
);

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}

export const edits = fc.array(
  fc.record({ at: fc.nat(9999), remove: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }) }),
  { minLength: 1, maxLength: 4 },
);

export function edited(bytes: Uint8Array, list: readonly Edit[]): Buffer {
  let result = Buffer.from(bytes);
  for (const { at, remove, insert } of list) {
    const from = at % (result.length + 1);
    result = Buffer.concat([result.subarray(0, from), insert, result.subarray(from + remove)]);
  }
  return result;
}

/** Any, but more often one that means something. */
export const octet = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0, 1, 3, 4, 5, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x1c, 0x1e, 0x30, 0x31, 0x80, 0xff),
);

/** Changes octets in place, so that lengths mostly stay right. */
const changes = fc.array(fc.tuple(fc.nat(9999), octet), { minLength: 1, maxLength: 2 });

export function changed(bytes: Uint8Array, list: readonly (readonly [number, number])[]): Buffer {
  const result = Buffer.from(bytes);
  for (const [at, octet] of list) result[at % result.length] = octet;
  return result;
}

export function flipped(bytes: Uint8Array, bit: number): Buffer {
  const result = Buffer.from(bytes);
  result[bit >> 3] = (result[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return result;
}

/** A CSR with a changed subject or attributes, rightly signed. */
export const resigned = (maker: CsrMaker, field: Uint8Array): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.constantFrom("subject", "attributes"), changes)
    .map(([part, list]) =>
      part === "subject"
        ? maker.info({ subject: changed(richSubject, list), attributes: field })
        : maker.info({ attributes: changed(field, list) }),
    )
    .map((info) => maker.signed(info));

const octets = fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes));
const anyOid = fc
  .tuple(fc.constantFrom("1.3.6.1.4.1", "2.5.4", "2.999"), fc.nat(0x7fffffff))
  .map(([stem, arc]) => oid(`${stem}.${String(arc)}`));
const text = fc
  .constantFrom(0x0c, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1e)
  .chain((tag) =>
    (tag === 0x0c ? fc.string({ unit: "grapheme", maxLength: 8 }).map((it) => Buffer.from(it)) : octets).map(
      (it) => element(tag, it),
    ),
  );
const primitive = fc
  .tuple(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constantFrom(0x40, 0x81, 0xc2)), octets)
  .map(([tag, bytes]) => element(tag, bytes));

const { value } = fc.letrec<{ value: Buffer; inner: Buffer }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, fc.oneof(text, anyOid, primitive), tie("inner")),
  inner: fc
    .tuple(fc.constantFrom(0x30, 0x31, 0xa0, 0xa3, 0x60), fc.array(tie("value"), { maxLength: 3 }))
    .map(([tag, parts]) => element(tag, ...parts)),
}));
/** A CSR that says anything at all, in some form that is at least nested rightly; rightly signed. */
export const wild = (maker: CsrMaker): fc.Arbitrary<Buffer> => {
  const names = fc.array(
    fc
      .array(fc.tuple(anyOid, text), { minLength: 1, maxLength: 2 })
      .map((all) => set(...all.map(([type, name]) => sequence(type, name)))),
    { maxLength: 3 },
  );
  const attribute = fc
    .tuple(anyOid, fc.array(value, { minLength: 1, maxLength: 2 }))
    .map(([type, values]) => sequence(type, set(...values)));
  return fc
    .tuple(names, fc.array(attribute, { maxLength: 2 }))
    .map(([rdns, all]) => maker.info({ subject: sequence(...rdns), attributes: attributes(...all) }))
    .map((info) => maker.signed(info));
};
