/** Of `SSL_SESSION_ASN1` (OpenSSL, ssl/ssl_asn1.c): the certificate that the peer presented. */
const PEER = 0xa3;
const SEQUENCE = 0x30;

/**
 * Finds the peer's certificate in a TLS session, as OpenSSL writes one: a SEQUENCE, one of whose elements it is.
 *
 * @param session of `tls.TLSSocket.getSession()`
 * @returns DER, a part of `session`; `undefined` when there is none, or the session is written in some other way
 */
export function peerInSession(session: Buffer): Buffer | undefined {
  const whole = elementAt(session, 0);
  if (whole?.tag !== SEQUENCE || whole.end !== session.length) return undefined;
  for (let at = whole.start; at < whole.end;) {
    const element = elementAt(session, at);
    if (!element) return undefined;
    if (element.tag === PEER) return onlyCertificate(session, element);
    at = element.end;
  }
  return undefined;
}

interface Element {
  readonly tag: number;
  /** Of what it contains. */
  readonly start: number;
  readonly end: number;
}

function onlyCertificate(session: Buffer, { start, end }: Element): Buffer | undefined {
  const certificate = elementAt(session, start);
  if (certificate?.tag !== SEQUENCE || certificate.end !== end) return undefined;
  return session.subarray(start, end);
}

/** With a definite length of at most four octets (X.690 §8.1.3). */
function elementAt(bytes: Buffer, at: number): Element | undefined {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  const octets = first < 0x80 ? 0 : first - 0x80;
  const start = at + 2 + octets;
  if (first === 0x80 || octets > 4 || start > bytes.length) return undefined;
  const end = start + (octets === 0 ? first : bytes.readUIntBE(at + 2, octets));
  return end > bytes.length ? undefined : { tag, start, end };
}
