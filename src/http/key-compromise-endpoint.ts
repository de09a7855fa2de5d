import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import type { SpkiHash } from "../domain/identifiers.ts";
import { type Instant, formatTime } from "../domain/time.ts";
import type { CompromiseProof } from "../services/key-compromise.ts";
import { answerJson } from "./json.ts";
import * as fields from "./openapi/fields.ts";
import type { Operation } from "./openapi/operation.ts";
import { parseJsonBody, readBody, requireJson } from "./request-body.ts";

export interface KeyCompromise {
  readonly issueNonce: () => { readonly nonce: string; readonly expiresAt: Instant };
  /** Resolves when calls with the key are refused. */
  readonly prove: (
    proof: CompromiseProof,
  ) => Promise<{ readonly revoked: number; readonly spkiHash: SpkiHash }>;
}

const nonceSchema = z
  .object({ nonce: z.string().describe("Base64url."), expiresAt: fields.time("Until when it is good") })
  .meta({ id: "Nonce", description: "What is to be signed with the key, once." });

export const nonceOperation: Operation = {
  id: "createKeyCompromiseNonce",
  listeners: ["ca"],
  method: "post",
  path: "/v1/key-compromise",
  summary: "Gives a nonce, to prove possession of a leaked key",
  security: [],
  requestBody: { required: false, content: { "*/*": fields.octets("Any body is accepted and ignored.") } },
  responses: {
    201: { description: "A nonce of this server.", content: { "application/json": nonceSchema } },
  },
  codes: ["BODY_MALFORMED", "BODY_TOO_LARGE", "INTERNAL"],
};

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

const proofSchema = z.strictObject({
  nonce: z.string().describe("As the server gave it."),
  publicKey: z.string().describe("The key's SubjectPublicKeyInfo, in PEM or as base64 of DER."),
  signature: z
    .base64()
    .describe(
      "Base64. Over `countersign key compromise`, a line feed and the nonce, and nothing after it; by RSA (PKCS#1 v1.5) and ECDSA (DER) with SHA-256, by Ed25519 and ML-DSA as it is.",
    ),
});

const provedSchema = z
  .object({
    revoked: z.int().min(0).describe("How many certificates that ended."),
    spkiHash: fields.keyFingerprint,
  })
  .meta({ id: "KeyBlocked", description: "A key that is blocked." });

export const proofOperation: Operation = {
  id: "proveKeyCompromise",
  listeners: ["ca"],
  method: "post",
  path: "/v1/key-compromise/proof",
  summary: "Ends a leaked key, for whoever proves to hold it",
  description:
    "Every live certificate with the key is revoked as keyCompromise, what came of any by renewal is suspended, and the key is " +
    "blocked. A proof that is refused changes nothing, and leaves its nonce to be used.",
  security: [],
  requestBody: { required: true, content: { "application/json": proofSchema } },
  responses: { 200: { description: "The key is blocked.", content: { "application/json": provedSchema } } },
  codes: [
    "BODY_MALFORMED",
    "BODY_TOO_LARGE",
    "NONCE_UNKNOWN",
    "NONCE_EXPIRED",
    "NONCE_USED",
    "RATE_LIMITED",
    "KEY_UNSUPPORTED",
    "KEY_WEAK",
    "PROOF_INVALID",
    "NOT_FOUND",
    "KEY_IN_USE",
    "STATE_UNCHANGED",
    "UNAVAILABLE",
    "INTERNAL",
  ],
};

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
