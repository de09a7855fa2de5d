import { type ErrorCode, Refusal, errorTable } from "./errors.ts";

/** A problem document (RFC 9457), sent as `application/problem+json`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly requestId: string;
}

/** @param detail replaces the code's own sentence where there is more to say */
export function problem(code: ErrorCode, requestId: string, detail?: string): Problem {
  const [status, sentence] = errorTable[code];
  const title = code.toLowerCase().replaceAll("_", " ");
  return { type: `urn:countersign:${code}`, title, status, code, detail: detail ?? sentence, requestId };
}

/** What a stranger may be told of a failure: a refusal's own words, and nothing of anything else. */
export function problemOf(error: unknown, requestId: string): Problem {
  return error instanceof Refusal
    ? problem(error.code, requestId, error.message)
    : problem("INTERNAL", requestId);
}
