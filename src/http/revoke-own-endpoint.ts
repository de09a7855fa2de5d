import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Caller, Decision } from "../domain/decision.ts";
import { Refusal } from "../domain/errors.ts";
import type { Revocation } from "../services/revocation.ts";
import { answerJson } from "./json.ts";
import { requireJson, readBody, parseJsonBody } from "./request-body.ts";

export interface OwnRevocation {
  /** Who is calling, by the decision that every call gets. */
  readonly authorize: (request: IncomingMessage, response: ServerResponse) => Promise<Decision>;
  /** Resolves when the calls that come from now on are refused. */
  readonly revoke: (caller: Caller, id: string, reason: string) => Promise<Revocation>;
}

const bodySchema = z.strictObject({ reason: z.string().default("unspecified") });

/**
 * `POST /v1/certificates/ID/revoke` {reason?}, for the credential ID itself, over mTLS.
 *
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function revokeOwnEndpoint(
  { authorize, revoke }: OwnRevocation,
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
): Promise<void> {
  const body = await readBody(request);
  const decision = await authorize(request, response);
  if (!decision.allowed) {
    const { code, fingerprint } = decision;
    throw new Refusal(code, undefined, fingerprint && `presented ${fingerprint}`);
  }
  requireJson(request);
  const { reason } = parseJsonBody(body, bodySchema);
  const { certificate } = await revoke(decision.caller, id, reason);
  response.setHeader("Connection", "close"); // this one has no more to ask
  const { fingerprint, serial } = certificate;
  answerJson(response, 200, { fingerprint, serial, status: "revoked", reason });
}
