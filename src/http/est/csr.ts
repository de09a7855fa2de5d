import type { IncomingMessage } from "node:http";
import { Refusal } from "../../domain/errors.ts";
import { mediaType } from "../request-body.ts";

/** The first octet of a CSR in DER; no base64 of one begins with it. */
const SEQUENCE = 0x30;

/**
 * The CSR in the body of an EST request: base64 of DER, with or without line ends, whatever Content-Transfer-Encoding says
 * (RFC 8951 §3.1). DER itself and PEM are taken too, for clients send them.
 *
 * @returns PEM or DER.
 * @throws Refusal BODY_MALFORMED.
 */
export function csrIn(request: IncomingMessage, body: Buffer): Uint8Array {
  if (mediaType(request) !== "application/pkcs10") {
    throw new Refusal("BODY_MALFORMED", "Send a CSR as application/pkcs10 (RFC 7030 §4.2.1).");
  }
  if (body[0] === SEQUENCE) return body;
  const text = body.toString("latin1");
  return text.includes("-----BEGIN") ? body : fromBase64(text.replace(/[\t\n\r ]/g, ""));
}

/** RFC 4648 §4: what else may be in it, Node would pass over. */
function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  if (text !== "" && bytes.toString("base64") === text) return bytes;
  throw new Refusal("BODY_MALFORMED", "The body is not base64 of a CSR (RFC 4648 §4).");
}
