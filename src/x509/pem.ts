/** Wraps DER in PEM (RFC 7468), 64 characters a line. */
export function toPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString("base64");
  let lines = "";
  for (let from = 0; from < base64.length; from += 64) lines += `${base64.slice(from, from + 64)}\n`;
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}

/** A multiple of 48 octets, which are a line. */
const PIECE = 48 * 1024;

/** The same in pieces, for what is so large that all at once would hold up everything else. */
export function* pemPieces(label: string, der: Uint8Array): Generator<string> {
  yield `-----BEGIN ${label}-----\n`;
  for (let from = 0; from < der.length; from += PIECE) {
    const piece = der.subarray(from, from + PIECE);
    const base64 = Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString("base64");
    yield base64.replace(/.{1,64}/g, "$&\n");
  }
  yield `-----END ${label}-----\n`;
}

/**
 * The DER of the one PEM block that `text` is, or `undefined`.
 *
 * Strict (RFC 7468 §3): one block, one of the labels, canonical base64, nothing but white space around it. Takes time in
 * proportion to the text, whatever it is.
 */
export function fromPem(text: string, labels: readonly string[]): Buffer | undefined {
  const block = text.trim();
  for (const label of labels) {
    const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`];
    if (block.length < begin.length + end.length || !block.startsWith(begin) || !block.endsWith(end))
      continue;
    return fromBase64(block.slice(begin.length, -end.length).replace(/\s/g, ""));
  }
  return undefined;
}

/** Decodes canonical base64 with padding; `undefined` for anything else. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.length > 0 && bytes.toString("base64") === text ? bytes : undefined;
}
