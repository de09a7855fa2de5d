import type { IncomingMessage } from "node:http";
import { Refusal } from "../domain/errors.ts";

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). Throws TOKEN_REQUIRED. */
export function bearerToken(request: IncomingMessage): string {
  const match = /^bearer +(\S.*)$/i.exec(request.headers.authorization ?? "");
  if (!match?.[1]) throw new Refusal("TOKEN_REQUIRED");
  return match[1].trim();
}
