import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Answer } from "../services/issue/answer.ts";
import type { RenewalRequest } from "../services/issue/renew.ts";
import { sendCertificate } from "./certificate-answer.ts";
import { parseBody } from "./csr-body.ts";
import { readBody } from "./request-body.ts";

export interface OwnRenewal {
  /** Who is calling, by the decision that every call gets, and from where. */
  readonly authorize: (
    request: IncomingMessage,
    response: ServerResponse,
  ) => Promise<Pick<RenewalRequest, "decision" | "address">>;
  readonly renew: (wanted: RenewalRequest) => Promise<Answer>;
}

const bodySchema = z.strictObject({ csr: z.string(), notAfter: z.string().optional() });

/**
 * `POST /v1/certificates/renew`, for the credential of the TLS handshake, which is what is renewed.
 *
 * Takes `application/json` {csr, notAfter?}, or the CSR itself as `application/pkcs10`; answers as an enrolment.
 *
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function renewEndpoint(
  { authorize, renew }: OwnRenewal,
  request: IncomingMessage,
  response: ServerResponse,
  wantsPem: boolean,
): Promise<void> {
  const body = await readBody(request);
  const caller = await authorize(request, response);
  const read = () => parseBody(request, body, bodySchema);
  sendCertificate(response, await renew({ ...caller, read }), wantsPem);
}
