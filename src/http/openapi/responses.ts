import { type ErrorCode, errorTable } from "../../domain/errors.ts";
import type { Content, ResponseHeaders, OperationResponse } from "./operation.ts";
import type { Json, Schemas } from "./schemas.ts";

export function response({ description, content, headers }: OperationResponse, schemas: Schemas): Json {
  return {
    description,
    ...(headers ? { headers: headersOf(headers) } : {}),
    ...(content ? { content: contentOf(content, schemas) } : {}),
  };
}

/**
 * The response of a status that is a refusal's. Its codes are in words and in `x-codes`, and not in a schema of its own:
 * what generates clients makes a type of each of those, and trips over a bare const or enum.
 *
 * @param problem what stands for the component `Problem`
 */
export function refusal(status: number, codes: readonly ErrorCode[], problem: Json): Json {
  const sentences = codes.map((code) => `- \`${code}\`: ${errorTable[code][1]}`);
  const headers = refusalHeaders[status];
  return {
    description: sentences.join("\n"),
    "x-codes": codes,
    ...(headers ? { headers: headersOf(headers) } : {}),
    content: { "application/problem+json": { schema: problem } },
  };
}

const refusalHeaders: Readonly<Record<number, ResponseHeaders>> = {
  401: { "WWW-Authenticate": "The authentication schemes that are accepted (RFC 9110 §11.6.1)." },
  429: { "Retry-After": "Seconds." },
  503: { "Retry-After": "Seconds." },
};

export function contentOf(content: Content, schemas: Schemas): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, { schema: schemas.of(schema) }]),
  );
}

function headersOf(headers: ResponseHeaders): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, said]) => {
      const { description, optional = false } = typeof said === "string" ? { description: said } : said;
      return [name, { description, required: !optional, schema: { type: "string" } }];
    }),
  );
}
