import { verify } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { type IssuerId, type Serial, parseSerial } from "../domain/identifiers.ts";
import type { Instant } from "../domain/time.ts";
import { algorithmNamed } from "./algorithms.ts";
import { DerReader, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";
import type { ForeignCa } from "./foreign-ca.ts";
import { fromPem } from "./pem.ts";
import { readTime } from "./time-reader.ts";

/** What another CA's full CRL says. */
export interface ForeignCrl {
  readonly issuer: IssuerId;
  readonly number: bigint | undefined;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant | undefined;
  readonly listed: ReadonlyMap<Serial, "revoked" | "suspended">;
}

const REASON_CODE = "2.5.29.21";
/** certificateHold (RFC 5280 §5.3.1). */
const HOLD = 6;
/** Entries that are read in one go: others want the event loop too. */
const SLICE = 2000;

/**
 * Reads a full CRL of another CA (RFC 5280 §5), and verifies it first.
 *
 * @param bytes PEM (one block) or DER
 * @throws Error saying what is wrong with it.
 */
export async function readForeignCrl(bytes: Buffer, cas: readonly ForeignCa[]): Promise<ForeignCrl> {
  const der = bytes[0] === tags.sequence ? bytes : fromPem(bytes.toString("latin1"), ["X509 CRL"]);
  if (!der) throw new Error("it is not one CRL in PEM or DER");
  const list = new DerReader(der).enter(tags.sequence);
  const signed = list.read(tags.sequence);
  const identifier = list.read(tags.sequence).encoded;
  const signature = list.bits();
  list.end();
  const tbs = new DerReader(signed.contents);
  if (tbs.integer()[0] !== 1) throw new Error("it is not of version 2");
  if (!Buffer.from(tbs.read(tags.sequence).encoded).equals(identifier)) throw new Error("two algorithms");
  const name = Buffer.from(tbs.read(tags.sequence).encoded);
  const algorithm = algorithmNamed(identifier);
  const issuer = cas.find(
    ({ subject, certificate }) =>
      name.equals(subject) &&
      algorithm &&
      verify(algorithm.digest, signed.encoded, certificate.publicKey, signature),
  );
  if (!issuer) throw new Error("no CA of that name signed it");
  const thisUpdate = readTime(tbs.next());
  const isTimed = tbs.nextTag === tags.utcTime || tbs.nextTag === tags.generalizedTime;
  const nextUpdate = isTimed ? readTime(tbs.next()) : undefined;
  const entries = tbs.nextTag === tags.sequence ? tbs.enter(tags.sequence) : undefined;
  const number = readExtensions(tbs.enter(0xa0).enter(tags.sequence));
  return { issuer: issuer.id, number, thisUpdate, nextUpdate, listed: await readEntries(entries) };
}

async function readEntries(entries: DerReader | undefined): Promise<ForeignCrl["listed"]> {
  const listed = new Map<Serial, "revoked" | "suspended">();
  for (let count = 1; entries && !entries.atEnd; count++) {
    const entry = entries.enter(tags.sequence);
    const serial = serialOf(entry.integer());
    readTime(entry.next());
    const status = entry.atEnd ? "revoked" : readReason(entry.enter(tags.sequence));
    if (serial !== undefined) listed.set(serial, status);
    if (count % SLICE === 0) await setImmediate();
  }
  return listed;
}

/** One that no certificate on record can have names none of them. */
function serialOf(contents: Uint8Array): Serial | undefined {
  try {
    return (contents[0] ?? 0x80) >= 0x80 ? undefined : parseSerial(Buffer.from(contents).toString("hex"));
  } catch {
    return undefined;
  }
}

function readReason(extensions: DerReader): "revoked" | "suspended" {
  let status: "revoked" | "suspended" = "revoked";
  for (const { id, critical, value } of extensionsIn(extensions)) {
    // Such as certificateIssuer, of an indirect CRL: what is critical and not understood must not be used (§5.3).
    if (critical) throw new Error("an entry has a critical extension, as a CA's own list has not");
    if (id === REASON_CODE && new DerReader(value).read(tags.enumerated).contents[0] === HOLD) {
      status = "suspended";
    }
  }
  return status;
}

/** @returns the CRL's number */
function readExtensions(extensions: DerReader): bigint | undefined {
  let number: bigint | undefined;
  for (const { id, critical, value } of extensionsIn(extensions)) {
    if (critical) throw new Error("it is a delta, partial or indirect, or has another critical extension");
    if (id === extensionIds.crlNumber) {
      number = BigInt(`0x${Buffer.from(new DerReader(value).integer()).toString("hex")}`);
    }
  }
  return number;
}

function* extensionsIn(reader: DerReader) {
  while (!reader.atEnd) {
    const fields = reader.enter(tags.sequence);
    const id = fields.oid();
    const critical = fields.nextTag === tags.boolean && fields.next().contents[0] !== 0;
    yield { id, critical, value: fields.read(tags.octetString).contents };
    fields.end();
  }
}
