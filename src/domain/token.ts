import { crc32 } from "node:zlib";
import { Refusal } from "./errors.ts";
import { sha256Hex } from "./identifiers.ts";

/**
 * An enrolment token: `cst_`, 32 random characters (190 bits) and a 6-character CRC-32, in base 62.
 *
 * The prefix lets secret scanners find it; the checksum tells a typing error from a wrong token.
 */
export type Token = string & { readonly [brand]: "Token" };
declare const brand: unique symbol;

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH = 32;
const CHECKSUM_LENGTH = 6;

/** Makes a token; `randomBytes` returns that many random octets. */
export function makeToken(randomBytes: (count: number) => Uint8Array): Token {
  let random = "";
  while (random.length < RANDOM_LENGTH) {
    for (const byte of randomBytes(RANDOM_LENGTH)) {
      // 248 is the largest multiple of 62 in a byte: what lies above would favour the first characters.
      if (byte < 248 && random.length < RANDOM_LENGTH) random += alphabet.charAt(byte % 62);
    }
  }
  return `cst_${random}${checksum(random)}` as Token;
}

/** Throws TOKEN_MALFORMED for what is not a token, or is one with a typing error. */
export function parseToken(text: string): Token {
  const match = /^cst_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/.exec(text);
  if (!match?.[1]) throw new Refusal("TOKEN_MALFORMED");
  if (checksum(match[1]) !== match[2]) {
    throw new Refusal(
      "TOKEN_MALFORMED",
      "The enrolment token has a typing error: its checksum does not match.",
    );
  }
  return text as Token;
}

/** What is stored in a token's place: SHA-256 in hex. 190 random bits need no salt or stretching. */
export function hashToken(token: Token): string {
  return sha256Hex(token);
}

/** In place of a token's hash, where nobody has the token: it is the hash of nothing. */
export function unmatched(id: string): string {
  return `none:${id}`;
}

function checksum(random: string): string {
  let rest = crc32(random);
  let text = "";
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = alphabet.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
