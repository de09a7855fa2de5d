import type { IncomingMessage, ServerResponse } from "node:http";
import { Refusal } from "../../domain/errors.ts";
import type { Answer } from "../../services/issue/answer.ts";
import type { Outcome } from "../../services/issue/ask.ts";
import type { Enrolment } from "../../services/issue/enrol.ts";
import type { OwnRenewal } from "../renew-endpoint.ts";
import { readBody } from "../request-body.ts";
import { type RequestForCertificate, sendPending } from "../request-endpoint.ts";
import { sendCertificates } from "./answers.ts";
import { type EstCredentials, credentialsOf } from "./credentials.ts";
import { csrIn } from "./csr.ts";

/** What enrols, and what encodes its answers. */
export interface EstEnrolment {
  readonly enrol: (enrolment: Enrolment) => Promise<Answer>;
  /** Takes requests without a token; `undefined` where approval is not turned on. */
  readonly ask: ((asked: RequestForCertificate) => Promise<Outcome>) | undefined;
  readonly ownRenewal: OwnRenewal;
  /** Certificates (DER) as a certs-only PKCS#7 message, DER. */
  readonly certsOnly: (certificates: readonly Uint8Array[]) => Uint8Array;
}

const CHALLENGE = 'Basic realm="countersign"';

/**
 * `POST /simpleenroll` (RFC 7030 §4.2), for whoever has an enrolment token, or a certificate to be renewed; where approval
 * is turned on, for anyone who asks for that. A label names the profile.
 *
 * Answers 200 with the certificate alone, or 202 with Retry-After while an admin has not decided.
 *
 * @throws Refusal what was wrong; nothing has been sent then but the challenge of a 401.
 */
export async function simpleEnroll(
  parts: EstEnrolment,
  request: IncomingMessage,
  response: ServerResponse,
  label: string | undefined,
): Promise<void> {
  try {
    const body = await readBody(request);
    const wanted = (): Wanted => ({ csr: csrIn(request, body), profile: label });
    const outcome = await enrolBy(credentialsOf(request), parts, { request, response, wanted });
    if (outcome.pending) sendPending(response, outcome);
    else sendCertificates(request, response, parts.certsOnly([outcome.answer.record.der]));
  } catch (error) {
    // Whoever came without a token, or with a stranger's certificate, may have one to send (§3.2.3).
    if (error instanceof Refusal && error.status === 401) response.setHeader("WWW-Authenticate", CHALLENGE);
    throw error;
  }
}

/**
 * `POST /simplereenroll` (RFC 7030 §4.2.2), for the credential of the TLS handshake, which is what is renewed, under the
 * names that it has. A label names the profile, which stays the same.
 *
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function simpleReenroll(
  { ownRenewal, certsOnly }: EstEnrolment,
  request: IncomingMessage,
  response: ServerResponse,
  label: string | undefined,
): Promise<void> {
  const body = await readBody(request);
  const wanted = (): Wanted => ({ csr: csrIn(request, body), profile: label, requireSameNames: true });
  const answer = await renewOwn(ownRenewal, { request, response, wanted });
  sendCertificates(request, response, certsOnly([answer.record.der]));
}

interface Wanted {
  readonly csr: Uint8Array;
  readonly profile: string | undefined;
  readonly requireSameNames?: true;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Reads the CSR, once it is known who asks. */
  readonly wanted: () => Wanted;
}

async function enrolBy(
  credentials: EstCredentials,
  { enrol, ask, ownRenewal }: EstEnrolment,
  exchange: Exchange,
): Promise<Outcome> {
  const address = exchange.request.socket.remoteAddress;
  if (credentials.by === "token") {
    return granted(await enrol({ ...exchange.wanted(), token: credentials.token, address }));
  }
  if (credentials.by === "certificate") return granted(await renewOwn(ownRenewal, exchange));
  if (credentials.by === "approval" && ask) return ask({ ...exchange.wanted(), address });
  const orAsk = ask ? "; a user name without password asks for an admin's approval" : "";
  throw new Refusal(
    "TOKEN_REQUIRED",
    `Send an enrolment token as the password of HTTP Basic, with any user name, or as a Bearer; or present a certificate to be renewed${orAsk}.`,
  );
}

const granted = (answer: Answer): Outcome => ({ pending: undefined, answer });

async function renewOwn(
  { authorize, renew }: OwnRenewal,
  { request, response, wanted }: Exchange,
): Promise<Answer> {
  const caller = await authorize(request, response);
  return renew({ ...caller, read: wanted });
}
