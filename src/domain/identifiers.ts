import { hash } from "node:crypto";
import { Refusal } from "./errors.ts";
import type { Instant } from "./time.ts";

declare const brand: unique symbol;

/** SHA-256 over a certificate's whole DER: 64 lower-case hex digits. */
export type Fingerprint = string & { readonly [brand]: "Fingerprint" };

/** A certificate's serial number: positive, lower-case hex without leading zeros, at most 20 octets (RFC 5280 §4.1.2.2). */
export type Serial = string & { readonly [brand]: "Serial" };

/** An issuer's subject key identifier, lower-case hex: how an issuer is named in URLs and records. */
export type IssuerId = string & { readonly [brand]: "IssuerId" };

/** SHA-256 over a SubjectPublicKeyInfo's DER, lower-case hex. */
export type SpkiHash = string & { readonly [brand]: "SpkiHash" };

export function sha256Hex(bytes: Uint8Array | string): string {
  return hash("sha256", bytes, "hex");
}

export function fingerprintOf(der: Uint8Array): Fingerprint {
  return sha256Hex(der) as Fingerprint;
}

export function spkiHashOf(spki: Uint8Array): SpkiHash {
  return sha256Hex(spki) as SpkiHash;
}

/** Reads an SPKI's SHA-256 as `parseFingerprint` reads a fingerprint; `undefined` when it is none. */
export function parseSpkiHash(text: string): SpkiHash | undefined {
  const hex = stripColons(text).toLowerCase();
  return /^[0-9a-f]{64}$/.test(hex) ? (hex as SpkiHash) : undefined;
}

/** Takes hex of either case, with or without colons (as OpenSSL and Node print it). Throws ID_MALFORMED. */
export function parseFingerprint(text: string): Fingerprint {
  const hex = stripColons(text).toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new Refusal("ID_MALFORMED", "A fingerprint is 64 hex digits (SHA-256).");
  return hex as Fingerprint;
}

/** Takes bare, `0x…` or colon-separated hex, or `dec:` and decimal digits. Throws ID_MALFORMED. */
export function parseSerial(text: string): Serial {
  const decimal = /^dec:([0-9]{1,60})$/.exec(text)?.[1];
  const hex =
    decimal === undefined
      ? text.startsWith("0x") || text.startsWith("0X")
        ? text.slice(2)
        : stripColons(text)
      : BigInt(decimal).toString(16);
  const serial = hex.toLowerCase().replace(/^0+/, "");
  // 20 octets hold 160 bits, the highest of which is the sign.
  if (!/^[0-9a-f]{1,40}$/.test(serial) || (serial.length === 40 && serial >= "8")) {
    throw new Refusal("ID_MALFORMED", `'${text}' is not a serial number.`);
  }
  return serial as Serial;
}

/** How many random octets a serial is made with: 80 bits, where CA/B BR §7.1 asks for 64. */
export const SERIAL_RANDOM_OCTETS = 10;

/**
 * A serial from the time of issue in milliseconds and random octets. The time comes first so that the newest is always
 * last in an index: were they all random, each certificate would rewrite an index page of its own.
 */
export function serialFrom(now: Instant, random: Uint8Array): Serial {
  if (random.length !== SERIAL_RANDOM_OCTETS) {
    throw new RangeError(`a serial is made with ${String(SERIAL_RANDOM_OCTETS)} random octets`);
  }
  const octets = Buffer.from(random.buffer, random.byteOffset, random.length);
  return parseSerial(now.toString(16) + octets.toString("hex"));
}

export function parseIssuerId(text: string): IssuerId {
  if (!/^[0-9a-f]{40}$/.test(text)) throw new Refusal("NOT_FOUND");
  return text as IssuerId;
}

/** How a certificate is named: a serial may be shared by issuers. */
export type CertificateId = { readonly fingerprint: Fingerprint } | { readonly serial: Serial };

/** What a command's SERIAL|FINGERPRINT argument names; `undefined` when it is neither (so perhaps a file). */
export function parseCertificateId(text: string): CertificateId | undefined {
  if (/^[0-9a-f]{64}$/i.test(stripColons(text))) return { fingerprint: parseFingerprint(text) };
  if (/^(0x)?[0-9a-f]{1,48}$/i.test(stripColons(text)) || text.startsWith("dec:"))
    return { serial: parseSerial(text) };
  return undefined;
}

function stripColons(text: string): string {
  return /^[0-9a-f]{2}(:[0-9a-f]{2})+$/i.test(text) ? text.replaceAll(":", "") : text;
}
