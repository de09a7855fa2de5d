import { Refusal } from "../domain/errors.ts";
import type { CertificationRequest } from "../domain/ports.ts";
import { readCertificate } from "./certificate-reader.ts";
import { DerError, DerReader, requireDer, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";
import { asksForNewNames, subjectAltNameIn } from "./requested-names.ts";

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
    const names = subjectAltNameIn(request);
    const askedFor = names ? generalNames(names) : []; // strongSwan's tool writes an extension without a name
    const own = extensions.find(({ id }) => id === extensionIds.subjectAltName)?.value;
    return askedFor.length === 0 || isEqual(askedFor, own ? generalNames(own) : []);
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

/** Each name of a subjectAltName, as hex of its DER: their order says nothing. */
function generalNames(value: Uint8Array): string[] {
  requireDer(value);
  const outer = new DerReader(value);
  const reader = outer.enter(tags.sequence);
  outer.end();
  const names: string[] = [];
  while (!reader.atEnd) names.push(Buffer.from(reader.next().encoded).toString("hex"));
  return names.sort();
}
