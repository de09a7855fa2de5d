import express, { type Request, type RequestHandler } from "express";
import { type z } from "zod";
import { Refusal } from "../domain/errors.ts";

const LARGEST_BODY = 64 * 1024;

/** Reads a body of any type into memory, up to the limit; compressed ones are refused. */
export const rawBody: RequestHandler = express.raw({ type: () => true, limit: LARGEST_BODY, inflate: false });

/** The media type without its parameters, lower-case. */
export function mediaType(request: Request): string {
  return (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Reads a JSON body against a schema. Throws BODY_MALFORMED, naming every fault. */
export function parseJsonBody<Schema extends z.ZodType>(bytes: Uint8Array, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(parseJson(bytes));
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) =>
    [issue.path.join("."), issue.message].filter(Boolean).join(": "),
  );
  throw new Refusal("BODY_MALFORMED", `The request body is not what this route takes. ${faults.join("; ")}.`);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal("BODY_MALFORMED", "The request body is not JSON.");
  }
}
