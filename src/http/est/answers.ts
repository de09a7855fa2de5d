import type { IncomingMessage, ServerResponse } from "node:http";

/** Of lines that older base64 readers take (RFC 2045 §6.8 allows 76); what OpenSSL writes. */
const LINE = /.{1,64}/g;

/** Certificates in a certs-only PKCS#7 message (DER), as EST answers (RFC 7030 §4.1.3, §4.2.3). */
export function sendCertificates(
  request: IncomingMessage,
  response: ServerResponse,
  message: Uint8Array,
): void {
  sendBase64(request, response, "application/pkcs7-mime; smime-type=certs-only", message);
}

/** What a CSR should have (RFC 7030 §4.5.2), DER. */
export function sendCsrAttributes(
  request: IncomingMessage,
  response: ServerResponse,
  attributes: Uint8Array,
): void {
  sendBase64(request, response, "application/csrattrs", attributes);
}

function sendBase64(request: IncomingMessage, response: ServerResponse, type: string, der: Uint8Array): void {
  const text = base64For(request, der);
  response.writeHead(200, {
    "Content-Type": type,
    "Content-Transfer-Encoding": "base64", // RFC 8951 §3.1 has it say nothing, but older clients look for it
    "Content-Length": text.length,
    "Cache-Control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : text); // with the header, at once: some clients read twice, and no more
}

/**
 * RFC 8951 §3.1 has clients take base64 with line ends and without; some take one form alone. strongSwan's, which says
 * nothing of itself, takes no line end; those that read with OpenSSL take no long line.
 */
function base64For({ headers }: IncomingMessage, der: Uint8Array): string {
  const text = Buffer.from(der).toString("base64");
  const isTerse = headers.accept === undefined && headers["user-agent"] === undefined;
  return isTerse ? text : `${(text.match(LINE) ?? []).join("\n")}\n`;
}
