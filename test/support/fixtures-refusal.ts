import { type ErrorCode, Refusal } from "../../src/domain/errors.ts";

export interface Refused {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What `work` refuses with; any other error, or none, fails the test. */
export function refusalOf(work: () => unknown): Refused {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error("it was not refused");
}
