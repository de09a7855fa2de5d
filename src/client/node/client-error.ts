import { type ErrorCode, Refusal, errorTable, isErrorCode } from "../../domain/errors.ts";

/** What this library throws: the code is stable (docs/errors.md), the message is a sentence for people. */
export class CountersignError extends Error {
  readonly code: ErrorCode;
  /** The code's HTTP status. */
  readonly status: number;

  constructor(code: ErrorCode, message: string = errorTable[code][1], options?: ErrorOptions) {
    super(message, options);
    this.name = "CountersignError";
    this.code = code;
    this.status = errorTable[code][0];
  }
}

/** What is no refusal is a fault of ours, with its cause. */
export function asCountersignError(error: unknown): CountersignError {
  if (error instanceof CountersignError) return error;
  if (error instanceof Refusal) return new CountersignError(error.code, error.message, { cause: error });
  return new CountersignError("INTERNAL", "Something went wrong in the client.", { cause: error });
}

/** Of Node's `fetch`, or undici's. */
interface WebResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  clone(): { json(): Promise<unknown> };
}

/**
 * What an enforcing server refused a call for; `undefined` when the answer is another's, or not a refusal. The response's
 * body can still be read.
 *
 * @example
 * const response = await fetch(url, { dispatcher });
 * const problem = await problemOf(response);
 * if (problem?.code === "SCOPE_MISSING") throw problem;
 */
export async function problemOf(response: WebResponse): Promise<CountersignError | undefined> {
  const type = response.headers.get("content-type") ?? "";
  if (response.status < 400 || !/^application\/problem\+json\b/i.test(type)) return undefined;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  if (typeof code !== "string" || !isErrorCode(code)) return undefined;
  return new CountersignError(code, typeof detail === "string" ? detail : undefined);
}
