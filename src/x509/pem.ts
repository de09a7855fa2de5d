/** Wraps DER in PEM (RFC 7468), 64 characters a line. */
export function toPem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/**
 * The DER of the one PEM block that `text` is, or `undefined`.
 *
 * Strict (RFC 7468 §3): one block, one of the labels, canonical base64, nothing but white space around it.
 */
export function fromPem(text: string, labels: readonly string[]): Buffer | undefined {
  const match = /^\s*-----BEGIN ([A-Z0-9 ]+)-----\s*([A-Za-z0-9+/=\s]*)-----END \1-----\s*$/.exec(text);
  if (!match?.[1] || match[2] === undefined || !labels.includes(match[1])) return undefined;
  return fromBase64(match[2].replace(/\s/g, ""));
}

/** Decodes canonical base64 with padding; `undefined` for anything else. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.length > 0 && bytes.toString("base64") === text ? bytes : undefined;
}
