import { z } from "zod";
import { type ErrorCode, denialCodes, errorTable, gatewayCodes } from "../../domain/errors.ts";
import type { Operation } from "./operation.ts";

/** What the decision may say of a caller of whom no scope is asked. */
export const callerCodes = denialCodes.filter((code) => code !== "SCOPE_MISSING" && code !== "NO_ROUTE");

const allCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

/** What every refusal is, with every code that there is: of those that no operation gives, it says who does. */
export function problemSchema(operations: readonly Operation[]): z.ZodType {
  const sayings = Object.entries(errorTable).map(([code, [status, sentence]]): [string, string] => [
    code,
    `${String(status)}${whereFrom(code as ErrorCode, operations)}: ${sentence}`,
  ]);
  return z
    .object({
      type: z.string().describe("`urn:countersign:` and the code."),
      title: z.string().describe("The code in words."),
      status: z.int().min(100).max(599).describe("The HTTP status."),
      code: z.enum(allCodes).meta({
        description: "Rely on this one. More may come: treat one that you do not know by its status.",
        "x-enumDescriptions": Object.fromEntries(sayings),
      }),
      detail: z.string().describe("The code's sentence, or one that says more."),
      requestId: z.string().describe("Is in the server's log, too."),
    })
    .meta({ id: "Problem", description: "Why a request was refused (RFC 9457)." });
}

/** What is said of a code that none of the operations gives. */
function whereFrom(code: ErrorCode, operations: readonly Operation[]): string {
  if (code === "METHOD_NOT_ALLOWED") return " (of any other method)";
  if (operations.some(({ codes }) => codes.includes(code))) return "";
  return gatewayCodes.includes(code)
    ? " (of the gateway's routes alone)"
    : " (of commands alone, where the status has no meaning)";
}

/** An operation's codes by their status, both in order. */
export function byStatus(codes: readonly ErrorCode[]): [status: number, codes: ErrorCode[]][] {
  const statuses = [...new Set(codes.map((code) => errorTable[code][0]))].sort((one, other) => one - other);
  return statuses.map((status) => [
    status,
    allCodes.filter((code) => codes.includes(code) && errorTable[code][0] === status),
  ]);
}
