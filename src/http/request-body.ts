import type { IncomingMessage } from "node:http";
import { type z } from "zod";
import { Refusal } from "../domain/errors.ts";

const LARGEST_BODY = 64 * 1024;
/** What is too large is read to its end, so that the answer is; but not for ever. */
const LARGEST_DRAINED = 1024 * 1024;

/** Reads a body of any type into memory. Throws BODY_TOO_LARGE; BODY_MALFORMED for a compressed or broken-off one. */
export function readBody(request: IncomingMessage, largest = LARGEST_BODY): Promise<Buffer> {
  const tooLarge = (): Refusal =>
    new Refusal("BODY_TOO_LARGE", `The request body is larger than ${String(largest / 1024)} KiB.`);
  const encoding = request.headers["content-encoding"] ?? "identity";
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= largest) chunks.push(chunk);
      else if (size > LARGEST_DRAINED) reject(tooLarge());
    });
    request.once("end", () => {
      if (size > largest) reject(tooLarge());
      else if (encoding !== "identity") reject(new Refusal("BODY_MALFORMED"));
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    });
    const breakOff = (): void => {
      reject(new Refusal("BODY_MALFORMED", "The request body broke off."));
    };
    request.once("error", breakOff).once("aborted", breakOff);
  });
}

/** The media type without its parameters, lower-case. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Throws BODY_MALFORMED unless the body is said to be JSON. */
export function requireJson(request: IncomingMessage): void {
  if (mediaType(request) !== "application/json") {
    throw new Refusal("BODY_MALFORMED", "Send application/json.");
  }
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

const utf8 = new TextDecoder("utf-8", { fatal: true });

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    throw new Refusal("BODY_MALFORMED", "The request body is not JSON.");
  }
}
