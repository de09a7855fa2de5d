import type { KeyType } from "../domain/key-policy.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Issuer } from "../domain/ports.ts";
import type { CrlEntry } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";
import { algorithmFor } from "./algorithms.ts";
import { entryOf } from "./crl-entries.ts";
import type { EntryParts } from "./crl-list.ts";
import { tags } from "./der-reader.ts";
import { context, headerLength, integer, sequence, time, writeHeader } from "./der-writer.ts";
import { authorityKeyIdentifier, extension, extensionIds, freshestCrl } from "./extensions.ts";

/** All that a CRL says besides its entries; can be sent to another thread. */
export interface CrlFrame {
  readonly issuerId: IssuerId;
  /** A Name, DER. */
  readonly subject: Uint8Array;
  readonly keyType: KeyType;
  readonly number: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  /** Makes it a delta (RFC 5280 §5.2.4). */
  readonly baseNumber?: number;
  /** Where deltas are; not in a delta itself (§5.2.6). */
  readonly deltaUrl?: string;
}

/** A CRL but for its signature: what is to be signed, with room around it for the rest. */
export interface CrlDraft {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly start: number;
  readonly end: number;
}

/** Signs a small full CRL (RFC 5280 §5) with CRLNumber and AKI; returns DER. */
export async function signCrl(
  issuer: Issuer,
  crl: { number: number; thisUpdate: Instant; nextUpdate: Instant; entries: readonly CrlEntry[] },
): Promise<Uint8Array> {
  const { number, thisUpdate, nextUpdate, entries } = crl;
  const encoded = entries.map(({ reason = 0, ...entry }) => entryOf({ ...entry, code: reason, notAfter: 0 }));
  const parts = { parts: encoded, count: entries.length };
  return finishCrl(draftCrl(frameOf(issuer, { number, thisUpdate, nextUpdate }), parts), issuer);
}

function frameOf(
  { id, subject, signer }: Issuer,
  rest: Pick<CrlFrame, "number" | "thisUpdate" | "nextUpdate" | "baseNumber" | "deltaUrl">,
): CrlFrame {
  return { issuerId: id, subject, keyType: signer.keyType, ...rest };
}

/** Puts together what is to be signed. Each octet of the entries is copied once, to where it stays. */
export function draftCrl(frame: CrlFrame, { parts, count }: EntryParts): CrlDraft {
  const { identifier } = algorithmFor(frame.keyType);
  const before = Buffer.concat([
    integer(1),
    identifier,
    frame.subject,
    time(frame.thisUpdate),
    time(frame.nextUpdate),
  ]);
  const after = context(0, true, sequence(...extensionsOf(frame)));
  let listed = 0;
  for (const part of parts) listed += part.length;
  // An empty list is left out (§5.1.2.6).
  const list = count === 0 ? 0 : headerLength(listed) + listed;
  const length = before.length + list + after.length;
  const bytes = Buffer.from(new ArrayBuffer(ROOM + headerLength(length) + length + SIGNATURE_ROOM));
  let offset = writeHeader(bytes, ROOM, tags.sequence, length);
  offset += before.copy(bytes, offset);
  if (count > 0) {
    offset = writeHeader(bytes, offset, tags.sequence, listed);
    for (const part of parts) {
      bytes.set(part, offset);
      offset += part.length;
    }
  }
  offset += after.copy(bytes, offset);
  return { bytes, start: ROOM, end: offset };
}

/** For the outer header. */
const ROOM = 6;
/** For the algorithm and the signature; ML-DSA-87's has 4,627 octets. */
const SIGNATURE_ROOM = 6000;

/** Has a draft signed and puts the signature beside it; returns DER. */
export async function finishCrl({ bytes, start, end }: CrlDraft, { signer }: Issuer): Promise<Uint8Array> {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const signature = await signer.sign(whole.subarray(start, end));
  const { identifier } = algorithmFor(signer.keyType);
  let offset = end + identifier.copy(whole, end);
  offset = writeHeader(whole, offset, tags.bitString, signature.length + 1);
  whole[offset] = 0; // no unused bits
  whole.set(signature, offset + 1);
  offset += 1 + signature.length;
  const first = start - headerLength(offset - start);
  writeHeader(whole, first, tags.sequence, offset - start);
  return whole.subarray(first, offset);
}

function extensionsOf({ issuerId, number, baseNumber, deltaUrl }: CrlFrame): Buffer[] {
  const extensions = [
    authorityKeyIdentifier(issuerId),
    extension(extensionIds.crlNumber, false, integer(number)),
  ];
  if (baseNumber !== undefined)
    extensions.push(extension(extensionIds.deltaCrlIndicator, true, integer(baseNumber)));
  if (deltaUrl !== undefined) extensions.push(freshestCrl(deltaUrl));
  return extensions;
}
