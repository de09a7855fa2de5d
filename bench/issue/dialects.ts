import { createHash } from "node:crypto";
import type { HttpAnswer } from "./answer-reader.ts";

export interface IssuedCertificate {
  /** The leaf, PEM. */
  readonly certificate: string;
  /** SHA-256, hex. */
  readonly fingerprint: string;
  readonly serial?: string;
}

/** How a CA is asked for a certificate, and what it answers. */
export interface Dialect {
  /** A whole HTTP request. */
  readonly request: (host: string, token: string, csr: string) => Buffer;
  /** Throws unless the answer is a certificate. */
  readonly read: (answer: HttpAnswer) => IssuedCertificate;
}

const countersign: Dialect = {
  request: (host, token, csr) =>
    post(host, "/v1/certificates", { csr }, `Authorization: Bearer ${token}\r\n`),
  read(answer) {
    const { certificate, fingerprint, serial } = parse(answer, 201) as Required<IssuedCertificate>;
    return { certificate, fingerprint, serial };
  },
};

const cfssl: Dialect = {
  request: (host, _token, csr) => post(host, "/api/v1/cfssl/sign", { certificate_request: csr }),
  read(answer) {
    const { result } = parse(answer, 200) as { result: { certificate: string } };
    return withFingerprint(result.certificate);
  },
};

const stepCa: Dialect = {
  request: (host, token, csr) => post(host, "/1.0/sign", { csr, ott: token }),
  read: (answer) => withFingerprint((parse(answer, 201) as { crt: string }).crt),
};

export const dialects = { countersign, cfssl, "step-ca": stepCa };

function post(host: string, path: string, json: object, headers = ""): Buffer {
  const body = JSON.stringify(json);
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Content-Type: application/json\r\n`;
  return Buffer.from(`${head}Content-Length: ${String(body.length)}\r\n\r\n${body}`, "latin1");
}

function parse({ status, body }: HttpAnswer, expected: number): unknown {
  const text = body.toString("latin1");
  if (status !== expected) throw new Error(`the server answered ${String(status)}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

function withFingerprint(certificate: string): IssuedCertificate {
  const der = Buffer.from(certificate.replace(/-----[^-]+-----/g, ""), "base64");
  return { certificate, fingerprint: createHash("sha256").update(der).digest("hex") };
}
