import { Refusal } from "../domain/errors.ts";
import type { RequestedNames } from "../domain/host-names.ts";
import type { CertificationRequest } from "../domain/ports.ts";
import { DerError, DerReader, requireDer, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";
import { addressFrom } from "./ip-address.ts";

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
/** What older programs for Windows write instead. */
export const MICROSOFT_EXTENSIONS = "1.3.6.1.4.1.311.2.1.14";
const CHANGE_SUBJECT_NAME = "1.3.6.1.5.5.7.7.36";
const MOST_REQUESTED = 100;

/**
 * The DNS names and addresses in a CSR's subjectAltName extension (RFC 2985 §5.4.2, RFC 5280 §4.2.1.6). Other kinds of
 * name are passed over, and so is the subject.
 *
 * @throws Refusal CSR_MALFORMED.
 */
export function requestedNames({ attributes }: CertificationRequest): RequestedNames {
  try {
    const names = subjectAltNameIn({ attributes });
    return names ? readNames(names) : { dnsNames: [], addresses: [] };
  } catch (error) {
    if (error instanceof DerError) throw new Refusal("CSR_MALFORMED", undefined, error.message);
    throw error;
  }
}

/**
 * The subjectAltName that a CSR asks for, DER, if it does. Throws DerError.
 *
 * @param type the attribute's
 */
export function subjectAltNameIn(
  { attributes }: Pick<CertificationRequest, "attributes">,
  type: string = EXTENSION_REQUEST,
): Uint8Array | undefined {
  const values = valuesOf(attributes, type);
  if (!values) return undefined;
  const extensions = values.read(tags.sequence).contents;
  values.end();
  return subjectAltName(extensions);
}

/** Whether a CSR asks for other names in an attribute of its own (RFC 6402 §2.8). Throws DerError. */
export function asksForNewNames({ attributes }: Pick<CertificationRequest, "attributes">): boolean {
  return valuesOf(attributes, CHANGE_SUBJECT_NAME) !== undefined;
}

/** The values of the one attribute of this type, if it is there. */
function valuesOf(attributes: Uint8Array, type: string): DerReader | undefined {
  const reader = new DerReader(attributes);
  let found: DerReader | undefined;
  while (!reader.atEnd) {
    const attribute = reader.enter(tags.sequence);
    const id = attribute.oid();
    const values = attribute.enter(tags.set);
    if (id !== type) continue;
    if (found) throw new DerError("two attributes of one type");
    found = values;
  }
  return found;
}

function subjectAltName(extensions: Uint8Array): Uint8Array | undefined {
  const reader = new DerReader(extensions);
  let found: Uint8Array | undefined;
  while (!reader.atEnd) {
    const extension = reader.enter(tags.sequence);
    const id = extension.oid();
    if (extension.nextTag === tags.boolean) extension.next();
    const { contents } = extension.read(tags.octetString);
    extension.end();
    if (id !== extensionIds.subjectAltName) continue;
    if (found) throw new DerError("two subjectAltName extensions");
    found = contents;
  }
  return found;
}

function readNames(value: Uint8Array): RequestedNames {
  requireDer(value);
  const outer = new DerReader(value);
  const names = outer.enter(tags.sequence);
  outer.end();
  const dnsNames: string[] = [];
  const addresses: string[] = [];
  for (let count = 1; !names.atEnd; count++) {
    if (count > MOST_REQUESTED) throw new DerError("too many names");
    const { tag, contents } = names.next();
    if (tag === 0x82) dnsNames.push(Buffer.from(contents).toString("latin1"));
    if (tag === 0x87) addresses.push(addressFrom(contents));
  }
  return { dnsNames, addresses };
}
