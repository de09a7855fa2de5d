import { Refusal } from "./errors.ts";

/**
 * Refuses options in which there are faults.
 *
 * @param where whose options they are, for the message: `createServer()`
 * @throws Refusal CONFIG_INVALID, naming every fault
 */
export function refuseFaults(where: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new Refusal("CONFIG_INVALID", `What ${where} was given is not valid: ${faults.join("; ")}.`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
