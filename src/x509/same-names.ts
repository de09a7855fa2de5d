import { Refusal } from "../domain/errors.ts";
import type { RequestedNames } from "../domain/host-names.ts";
import type { CertificationRequest } from "../domain/ports.ts";
import { readCertificate } from "./certificate-reader.ts";
import { DerError, DerReader, requireDer, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";
import { readLeaf } from "./leaf-reader.ts";
import { MICROSOFT_EXTENSIONS, asksForNewNames, subjectAltNameIn } from "./requested-names.ts";

/**
 * Whether a CSR asks for no other names than a certificate (DER) has: what it leaves out, subject or subjectAltName, it
 * does not ask for (RFC 7030 §4.2.2).
 *
 * @throws Refusal CSR_MALFORMED.
 */
export function keepsNames(request: CertificationRequest, der: Uint8Array): boolean {
  const { subject, extensions } = readCertificate(der);
  try {
    if (asksForNewNames(request)) return false;
    const asked = relativeNames(subjectIn(request));
    if (asked.length > 0 && !isEqual(asked, relativeNames(subject))) return false;
    const names = [subjectAltNameIn(request), subjectAltNameIn(request, MICROSOFT_EXTENSIONS)];
    const askedFor = names.flatMap((each) => (each ? generalNames(each) : [])); // strongSwan's tool may write one without a name
    const value = extensions.find(({ id }) => id === extensionIds.subjectAltName)?.value;
    const own = value ? generalNames(value) : [];
    // URIs are the profile's to give, and many programs cannot write one.
    return askedFor.length === 0 || isEqual(askedFor, own) || isEqual(askedFor, own.filter(isNoUri));
  } catch (error) {
    if (error instanceof DerError) throw new Refusal("CSR_MALFORMED", undefined, error.message);
    throw error;
  }
}

/** CertificationRequestInfo ::= SEQUENCE { version, subject Name, … }, which was read strictly before. */
function subjectIn({ proof }: CertificationRequest): Uint8Array {
  const info = new DerReader(proof.info).enter(tags.sequence);
  info.integer();
  return info.read(tags.sequence).encoded;
}

/** The DNS names and addresses in a certificate (DER) of ours. */
export function certificateNames(der: Uint8Array): RequestedNames {
  const { dnsNames, addresses } = readLeaf(der);
  return { dnsNames, addresses };
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}

/** A Name's RDNs in their order; the same text is the same name, whatever type of string it was written in. */
function relativeNames(name: Uint8Array): string[] {
  const reader = new DerReader(name).enter(tags.sequence);
  const names: string[] = [];
  while (!reader.atEnd) {
    const rdn = reader.enter(tags.set);
    const attributes: string[] = [];
    while (!rdn.atEnd) {
      const attribute = rdn.enter(tags.sequence);
      const type = attribute.oid();
      const { tag, contents } = attribute.next();
      attributes.push(JSON.stringify([type, textOf(tag, contents)]));
    }
    names.push(attributes.sort().join());
  }
  return names;
}

function textOf(tag: number, contents: Uint8Array): string {
  const octets = Buffer.from(contents);
  if (tag === tags.utf8String) return octets.toString("utf8");
  if (tag === tags.bmpString) return octets.swap16().toString("utf16le");
  if (tag === tags.universalString) return `#${octets.toString("hex")}`; // nobody writes these
  return octets.toString("latin1");
}

const DNS_NAME = 0x82;
const URI = "86";

const isNoUri = (name: string): boolean => !name.startsWith(URI);

/** Each name of a subjectAltName, as hex of its DER: their order says nothing, nor does the case of a DNS name. */
function generalNames(value: Uint8Array): string[] {
  requireDer(value);
  const outer = new DerReader(value);
  const reader = outer.enter(tags.sequence);
  outer.end();
  const names: string[] = [];
  while (!reader.atEnd) {
    const { tag, contents, encoded } = reader.next();
    const octets = Buffer.from(encoded);
    if (tag === DNS_NAME) octets.set(lowerCase(contents), octets.length - contents.length);
    names.push(octets.toString("hex"));
  }
  return names.sort();
}

/** Of ASCII alone. */
function lowerCase(text: Uint8Array): Uint8Array {
  return text.map((octet) => (octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet));
}
