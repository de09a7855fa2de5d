import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Answer } from "../services/issue/answer.ts";
import type { Enrolment } from "../services/issue/enrol.ts";
import { bearerToken } from "./bearer-token.ts";
import { sendCertificate } from "./certificate-answer.ts";
import { parseBody } from "./csr-body.ts";
import { readBody } from "./request-body.ts";

const bodySchema = z.strictObject({
  csr: z.string(),
  profile: z.string().optional(),
  notAfter: z.string().optional(),
});

/**
 * `POST /v1/certificates`, for whoever has an enrolment token.
 *
 * Takes `application/json` {csr, profile?, notAfter?}, or the CSR itself as `application/pkcs10` (RFC 5967; PEM or DER).
 *
 * @param wantsPem answers the chain alone (`application/pem-certificate-chain`, RFC 8555 §9.1) instead of JSON
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function enrolEndpoint(
  enrol: (enrolment: Enrolment) => Promise<Answer>,
  request: IncomingMessage,
  response: ServerResponse,
  wantsPem: boolean,
): Promise<void> {
  const token = bearerToken(request);
  const body = await readBody(request);
  const address = request.socket.remoteAddress;
  const asked = parseBody(request, body, bodySchema);
  sendCertificate(response, await enrol({ token, address, ...asked }), wantsPem);
}
