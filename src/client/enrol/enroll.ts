import type { RequestOptions } from "node:https";
import { z } from "zod";
import { Refusal } from "../../domain/errors.ts";
import { type Fingerprint, fingerprintOf } from "../../domain/identifiers.ts";
import { certificatesIn } from "../files/certificate-files.ts";
import { httpsRequest, httpsUrl, parseAnswer } from "../ca/https.ts";

/** Goes to a terminal as it is. */
const word = z.string().regex(/^\P{Cc}*$/u);
const answerSchema = z.object({
  fingerprint: word,
  serial: word,
  certificate: z.string(),
  chain: z.string(),
  notBefore: word,
  notAfter: word,
  account: word,
});

export interface Enrolled extends z.output<typeof answerSchema> {
  /** The root that the CA was recognised by, PEM. */
  readonly root: string;
}

/**
 * Asks a CA for its root, and returns it (PEM) if its fingerprint is the one expected. Nothing but that question is sent.
 *
 * @throws Refusal SERVER_UNTRUSTED, SERVER_UNREACHABLE.
 */
export async function fetchRoot(caUrl: string, fingerprint: Fingerprint): Promise<string> {
  // Nobody is trusted yet: what comes back is judged by its fingerprint alone.
  const { body } = await httpsRequest(caEndpoint(caUrl, "roots.pem"), { rejectUnauthorized: false });
  const roots = certificatesIn(body);
  if (roots.length === 0) {
    throw new Refusal("SERVER_UNTRUSTED", `${new URL(caUrl).host} is not a CA listener: it shows no root.`);
  }
  const root = roots.find((certificate) => fingerprintOf(certificate.raw) === fingerprint);
  if (root) return root.toString();
  throw new Refusal(
    "SERVER_UNTRUSTED",
    "The CA's root does not have the fingerprint given: it is another CA, or somebody in between. No token was sent.",
  );
}

/**
 * Sends a CSR and a token to a CA whose root is known, over TLS that is verified by it.
 *
 * @param csr PEM
 * @throws Refusal with the CA's own code when it refuses.
 */
export function enroll(caUrl: string, root: string, token: string, csr: string): Promise<Enrolled> {
  return askForCertificate(caUrl, "v1/certificates", { ca: root }, csr, { Authorization: `Bearer ${token}` });
}

/** Has a CSR signed at one of the CA's routes. */
export async function askForCertificate(
  caUrl: string,
  path: string,
  tls: Omit<RequestOptions, "headers"> & { readonly ca: string },
  csr: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Enrolled> {
  const options = { ...tls, method: "POST", headers: { ...headers, "Content-Type": "application/json" } };
  const answer = await httpsRequest(caEndpoint(caUrl, path), options, JSON.stringify({ csr }));
  return readEnrolled(parseAnswer(answer), tls.ca);
}

/** Reads what a CA answers with a certificate. Throws SERVER_UNTRUSTED. */
export function readEnrolled(answer: unknown, root: string): Enrolled {
  const result = answerSchema.safeParse(answer);
  if (!result.success) throw new Refusal("SERVER_UNTRUSTED", "The server's answer is not a CA's.");
  return { ...result.data, root };
}

/** One of the CA's routes, below its URL. Throws CONFIG_INVALID when that is none. */
export function caEndpoint(caUrl: string, path: string): URL {
  const base = httpsUrl(caUrl);
  return new URL(path, base.href.endsWith("/") ? base : `${base.href}/`);
}
