import { type KeyObject, createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { boolean, context, octetString, oid, sequence } from "../../src/x509/der-writer.ts";
import { x509 } from "../../src/x509/library.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type TestAnswer, type TestCredential, type TestRequest, call } from "./client.ts";
import { attributes, buildCsr, extensionRequest } from "./fixtures-csr.ts";
import type { TestServer } from "./server.ts";

/** What a CSR is to ask for besides its key. */
export interface AskedNames {
  /** RDNs, DER; none for an empty subject. */
  readonly subject?: readonly Uint8Array[];
  /** GeneralNames, DER; `undefined` for no such extension. */
  readonly names?: readonly Uint8Array[] | undefined;
  /** Further attributes, DER. */
  readonly more?: readonly Uint8Array[];
}

export interface MadeRequest {
  /** PEM. */
  readonly key: string;
  /** DER. */
  readonly csr: Buffer;
}

/** A P-256 key, and a CSR that asks for these names. */
export function makeCsr(
  { subject = [], names, more = [] }: AskedNames = {},
  privateKey: KeyObject = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
): MadeRequest {
  const asked = names
    ? [extensionRequest(sequence(oid("2.5.29.17"), boolean(true), octetString(sequence(...names))))]
    : [];
  const csr = buildCsr({
    privateKey,
    spki: createPublicKey(privateKey).export({
      format: "der",
      type: "spki",
    }),
    subject: sequence(...subject),
    attributes: attributes(...asked, ...more),
  });
  return { key: privateKey.export({ format: "pem", type: "pkcs8" }), csr };
}

/** A GeneralName of the kind URI or dNSName. */
export const generalName = (kind: "uri" | "dns", text: string): Buffer =>
  context(kind === "uri" ? 6 : 2, false, Buffer.from(text, "latin1"));

export const basic = (password: string, user = "anybody"): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

/** What an EST client sends: base64 of a CSR, as `application/pkcs10`, with these headers besides. */
export interface EstRequest extends Omit<TestRequest, "tls"> {
  readonly csr?: Uint8Array;
  readonly authorization?: string;
  /** Presented in the TLS handshake. */
  readonly credential?: Pick<TestCredential, "key" | "cert">;
}

/** One request of EST's: a POST with a CSR or another body, else a GET. @param operation also with a label: `LABEL/cacerts` */
export function est(
  server: Pick<TestServer, "ca" | "root">,
  operation: string,
  { csr, authorization, credential, body, headers, method, ...more }: EstRequest = {},
): Promise<TestAnswer> {
  const sent = body ?? (csr && Buffer.from(csr).toString("base64"));
  return call(`${server.ca}/.well-known/est/${operation}`, {
    method: method ?? (sent === undefined ? "GET" : "POST"),
    headers: {
      ...(sent === undefined ? {} : { "Content-Type": "application/pkcs10" }),
      ...(authorization === undefined ? {} : { Authorization: authorization }),
      ...headers,
    },
    ...(sent === undefined ? {} : { body: sent }),
    tls: { ca: readFileSync(server.root), ...credential },
    ...more,
  });
}

/** The certificates in an answer, PEM, as the library reads PKCS#7. */
export function certificatesIn({ text }: Pick<TestAnswer, "text">): string[] {
  const read = new x509.X509Certificates(Buffer.from(text, "base64"));
  return [...read].map(({ rawData }) => toPem("CERTIFICATE", Buffer.from(rawData)));
}
