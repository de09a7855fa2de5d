import type { IncomingMessage } from "node:http";
import { Refusal } from "../domain/errors.ts";

/** What an `Authorization` header has (RFC 9110 §11.6.2), its scheme in lower case; `undefined` for any other form, or none. */
export function authorizationOf({
  headers,
}: IncomingMessage): { readonly scheme: string; readonly value: string } | undefined {
  const [, scheme, value] = /^(\S+) +(\S.*)$/.exec(headers.authorization ?? "") ?? [];
  return scheme !== undefined && value !== undefined
    ? { scheme: scheme.toLowerCase(), value: value.trim() }
    : undefined;
}

/** The token of an `Authorization: Bearer` header (RFC 6750 §2.1). Throws TOKEN_REQUIRED. */
export function bearerToken(request: IncomingMessage): string {
  const { scheme, value } = authorizationOf(request) ?? {};
  if (scheme !== "bearer" || value === undefined) throw new Refusal("TOKEN_REQUIRED");
  return value;
}
