import type { KeyObject } from "node:crypto";

/** Secret octets as they would be written somewhere. */
interface Form {
  readonly name: string;
  readonly bytes: Buffer;
  /** Whether it may be broken by line ends, `\n` as JSON writes them, or colons. */
  readonly isText: boolean;
}

/** The private numbers or seeds of a key; each of them alone gives the key away. RFC 7518 §6, RFC 8037 §2. */
const secretMembers = ["d", "p", "q", "dp", "dq", "qi", "priv"];

/**
 * Where in some octets a private key is: its numbers or seed in binary, so also as part of DER; in hex; in base64 wherever
 * they begin in it, so also as part of PEM or a JWK. Returns what was found, by name.
 */
export function tracesOf(key: KeyObject, octets: Uint8Array): string[] {
  const binary = Buffer.from(octets);
  const text = Buffer.from(binary.toString("latin1").replace(/\\[nrt]|[\s:]/g, ""), "latin1");
  return formsOf(key)
    .filter(({ bytes, isText }) => (isText ? text : binary).includes(bytes))
    .map(({ name }) => name);
}

function formsOf(key: KeyObject): Form[] {
  const jwk = key.export({ format: "jwk" });
  return secretMembers.flatMap((member) => {
    const value = (jwk as Record<string, unknown>)[member];
    return typeof value === "string" ? formsOfSecret(member, Buffer.from(value, "base64url")) : [];
  });
}

function formsOfSecret(member: string, secret: Buffer): Form[] {
  const hex = secret.toString("hex");
  const text = (name: string, value: string): Form => ({
    name: `${member} in ${name}`,
    bytes: Buffer.from(value, "latin1"),
    isText: true,
  });
  return [
    { name: `${member} in binary`, bytes: secret, isText: false },
    text("hex", hex),
    text("HEX", hex.toUpperCase()),
    ...[0, 1, 2].flatMap((before) => [
      text(`base64 +${String(before)}`, inBase64(secret, before, "base64")),
      text(`base64url +${String(before)}`, inBase64(secret, before, "base64url")),
    ]),
  ];
}

/** The characters that only the secret decides, when so many other octets come before it. */
function inBase64(secret: Buffer, before: number, encoding: "base64" | "base64url"): string {
  const encoded = Buffer.concat([Buffer.alloc(before), secret]).toString(encoding);
  return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + secret.length) * 8) / 6));
}
