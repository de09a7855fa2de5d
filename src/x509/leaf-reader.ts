import type { Serial } from "../domain/identifiers.ts";
import type { Instant } from "../domain/time.ts";
import { type ParsedCertificate, readCertificate } from "./certificate-reader.ts";
import { DerError, DerReader, tags } from "./der-reader.ts";
import { extensionIds as ids } from "./extensions.ts";
import { addressFrom } from "./ip-address.ts";
import { readTime } from "./time-reader.ts";

/** Everything that a leaf of ours says. Byte fields are DER, but for key identifiers and the signature. */
export interface LeafFields {
  readonly serial: Serial;
  readonly signatureAlgorithm: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly commonName: string;
  readonly spki: Uint8Array;
  /** The extensions' object identifiers in their order; critical ones have a `!` after them. */
  readonly extensions: readonly string[];
  /** The bits' first octet; all that we use are in it. */
  readonly keyUsage: number;
  readonly extendedKeyUsage: readonly string[];
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly subjectKeyId: Uint8Array;
  readonly authorityKeyId: Uint8Array;
  readonly crlUrls: readonly string[];
  /** Access method's object identifier and URL, joined by a space. */
  readonly access: readonly string[];
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
}

/** Reads a leaf that can have been made here; whatever we never write is a fault. Throws DerError. */
export function readLeaf(der: Uint8Array): LeafFields {
  const parsed = readCertificate(der);
  const values = valuesById(parsed);
  const validity = new DerReader(parsed.validity).enter(tags.sequence);
  const [notBefore, notAfter] = [readTime(validity.next()), readTime(validity.next())];
  validity.end();
  const constraints = enter(values, ids.basicConstraints);
  constraints?.end(); // cA is FALSE by default: an end entity's is empty
  requireNull(values.get(ids.ocspNoCheck));
  return {
    serial: parsed.serial,
    signatureAlgorithm: parsed.signatureAlgorithm,
    issuer: parsed.issuer,
    notBefore,
    notAfter,
    commonName: readCommonName(parsed.subject),
    spki: parsed.spki,
    extensions: parsed.extensions.map(({ id, critical }) => (critical ? `${id}!` : id)),
    keyUsage: readKeyUsage(values.get(ids.keyUsage)),
    extendedKeyUsage: collect(enter(values, ids.extendedKeyUsage), (reader) => reader.oid()),
    ...readNames(enter(values, ids.subjectAltName)),
    subjectKeyId: readOctets(values.get(ids.subjectKeyIdentifier)),
    authorityKeyId: readAuthorityKeyId(enter(values, ids.authorityKeyIdentifier)),
    crlUrls: collect(enter(values, ids.crlDistributionPoints), readDistributionPoint),
    access: collect(enter(values, ids.authorityInfoAccess), readAccess),
    tbs: parsed.tbs,
    signature: parsed.signature,
  };
}

type Values = ReadonlyMap<string, Uint8Array>;

const known: ReadonlySet<string> = new Set([
  ids.basicConstraints,
  ids.keyUsage,
  ids.extendedKeyUsage,
  ids.subjectAltName,
  ids.subjectKeyIdentifier,
  ids.authorityKeyIdentifier,
  ids.crlDistributionPoints,
  ids.authorityInfoAccess,
  ids.ocspNoCheck,
]);

function valuesById({ extensions }: ParsedCertificate): Values {
  const values = new Map(extensions.map(({ id, value }) => [id, value]));
  if (values.size !== extensions.length) throw new DerError("an extension twice");
  if ([...values.keys()].some((id) => !known.has(id))) throw new DerError("an unknown extension");
  return values;
}

function enter(values: Values, id: string): DerReader | undefined {
  const value = values.get(id);
  if (!value) return undefined;
  const outer = new DerReader(value);
  const inner = outer.enter(tags.sequence);
  outer.end();
  return inner;
}

function requireNull(value: Uint8Array | undefined): void {
  if (value && Buffer.from(value).toString("hex") !== "0500") throw new DerError("expected NULL");
}

function collect<Item>(reader: DerReader | undefined, read: (reader: DerReader) => Item): Item[] {
  const items: Item[] = [];
  while (reader && !reader.atEnd) items.push(read(reader));
  return items;
}

function readCommonName(subject: Uint8Array): string {
  const name = new DerReader(subject).enter(tags.sequence);
  const attributes = name.enter(tags.set);
  name.end();
  const attribute = attributes.enter(tags.sequence);
  attributes.end();
  if (attribute.oid() !== "2.5.4.3") throw new DerError("a subject that is no common name");
  const { contents } = attribute.read(tags.utf8String);
  attribute.end();
  return Buffer.from(contents).toString("utf8");
}

function readKeyUsage(value: Uint8Array | undefined): number {
  if (!value) return 0;
  const outer = new DerReader(value);
  const { contents } = outer.read(tags.bitString);
  outer.end();
  const [unused, bits = 0] = contents;
  // DER leaves out a bit list's zeros at its end (X.690 §11.2.2).
  if (contents.length !== 2 || unused !== 31 - Math.clz32(bits & -bits)) {
    throw new DerError("a key usage that is not used here");
  }
  return bits;
}

function readOctets(value: Uint8Array | undefined): Uint8Array {
  if (!value) return new Uint8Array();
  const outer = new DerReader(value);
  const { contents } = outer.read(tags.octetString);
  outer.end();
  return contents;
}

/** The key identifier alone: issuer and serial number are never written. */
function readAuthorityKeyId(reader: DerReader | undefined): Uint8Array {
  if (!reader) return new Uint8Array();
  const { contents } = reader.read(0x80);
  reader.end();
  return contents;
}

function readNames(reader: DerReader | undefined): Pick<LeafFields, "uris" | "dnsNames" | "addresses"> {
  const [uris, dnsNames, addresses]: [string[], string[], string[]] = [[], [], []];
  while (reader && !reader.atEnd) {
    const { tag, contents } = reader.next();
    if (tag === 0x86) uris.push(text(contents));
    else if (tag === 0x82) dnsNames.push(text(contents));
    else if (tag === 0x87) addresses.push(addressFrom(contents));
    else throw new DerError("a kind of name that is not used here");
  }
  return { uris, dnsNames, addresses };
}

/** DistributionPoint ::= SEQUENCE { [0] { fullName [0] { uri [6] } } } */
function readDistributionPoint(reader: DerReader): string {
  const point = reader.enter(tags.sequence);
  const name = point.enter(0xa0);
  point.end();
  const full = name.enter(0xa0);
  name.end();
  const url = text(full.read(0x86).contents);
  full.end();
  return url;
}

function readAccess(reader: DerReader): string {
  const description = reader.enter(tags.sequence);
  const method = description.oid();
  const url = text(description.read(0x86).contents);
  description.end();
  return `${method} ${url}`;
}

/** An IA5String. */
function text(contents: Uint8Array): string {
  if (contents.some((octet) => octet > 0x7f)) throw new DerError("a name that is not ASCII");
  return Buffer.from(contents).toString("latin1");
}
