import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import type { SpkiHash } from "../domain/identifiers.ts";
import { type Instant, formatTime } from "../domain/time.ts";
import type { CompromiseProof } from "../services/key-compromise.ts";
import { answerJson } from "./json.ts";
import { parseJsonBody, readBody, requireJson } from "./request-body.ts";

export interface KeyCompromise {
  readonly issueNonce: () => { readonly nonce: string; readonly expiresAt: Instant };
  /** Resolves when calls with the key are refused. */
  readonly prove: (
    proof: CompromiseProof,
  ) => Promise<{ readonly revoked: number; readonly spkiHash: SpkiHash }>;
}

/** `POST /v1/key-compromise`, for anyone: a nonce to be signed. What is sent along does not count. */
export async function nonceEndpoint(
  { issueNonce }: KeyCompromise,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await readBody(request);
  const { nonce, expiresAt } = issueNonce();
  answerJson(response, 201, { nonce, expiresAt: formatTime(expiresAt) });
}

const proofSchema = z.strictObject({ nonce: z.string(), publicKey: z.string(), signature: z.base64() });

/**
 * `POST /v1/key-compromise/proof` {nonce, publicKey, signature}, for anyone who holds the key.
 *
 * @throws Refusal what was wrong; nothing has been sent then.
 */
export async function proofEndpoint(
  { prove }: KeyCompromise,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  requireJson(request);
  const { signature, ...proof } = parseJsonBody(body, proofSchema);
  if (signature === "") throw new Refusal("BODY_MALFORMED", "The signature is empty.");
  const { revoked, spkiHash } = await prove({ ...proof, signature: Buffer.from(signature, "base64") });
  answerJson(response, 200, { revoked, spkiHash });
}
