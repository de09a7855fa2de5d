import { conventions } from "./conventions.ts";
import { listeners } from "./listeners.ts";
import type { Operation, Parameter, RequestBody, SecurityScheme } from "./operation.ts";
import { byStatus, problemSchema } from "./problems.ts";
import { contentOf, refusal, response } from "./responses.ts";
import { type Json, Schemas } from "./schemas.ts";

export interface OpenApiDocument extends Json {
  readonly paths: Readonly<Record<string, Json>>;
}

/** The OpenAPI 3.1 document of some operations. */
export function openApiDocument(operations: readonly Operation[]): OpenApiDocument {
  const schemas = new Schemas();
  const problem = schemas.of(problemSchema(operations));
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const { path, method } = operation;
    paths[path] = {
      ...serversOf(operation),
      ...paths[path],
      [method]: operationObject(operation, schemas, problem),
    };
  }
  return {
    openapi: "3.1.0",
    info,
    servers: [listeners.ca.server],
    tags: Object.values(listeners).map(({ tag: name, description }) => ({ name, description })),
    paths,
    components: { schemas: schemas.components, securitySchemes },
  };
}

const info = {
  title: "Countersign",
  version: "1", // the API's, as in its paths: which release this is, strangers are not told
  summary: "Client certificates instead of API keys",
  description: [
    "Refusals are `application/problem+json` (RFC 9457); rely on `code`. `x-enumDescriptions` of the component `Problem` has",
    "the status and the sentence of each code that there is, also of those that only commands give; `x-codes` of a response has its own.",
    "",
    conventions,
    "",
    "Every path that is not here is `NOT_FOUND` on the CA, public and metrics listeners; on the enforcement listener it is the",
    "gateway's, and `NO_ROUTE` without one. What is not HTTP, or beyond the limits of any request, gets 400, 408, 413 or 431: without",
    "a document, but for the enforcement listener's 413 and 431.",
  ].join("\n"),
  license: { name: "Apache-2.0", identifier: "Apache-2.0" },
};

const securitySchemes = {
  enrolmentToken: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "cst_…",
    description: "An enrolment token, as `token create` prints it.",
  },
  basicToken: {
    type: "http",
    scheme: "basic",
    description:
      "For EST: any user name, and an enrolment token as the password. Without a password, it asks for an admin's approval.",
  },
  clientCertificate: {
    type: "mutualTLS",
    description: "A client certificate that was issued here, in the TLS handshake.",
  },
} as const satisfies Readonly<Record<SecurityScheme, Json>>;

/** None where it is the CA listener: the whole document's. */
function serversOf(operation: Operation): Json {
  if (operation.listeners.join() === "ca") return {};
  return { servers: operation.listeners.map((name) => listeners[name].server) };
}

function operationObject(operation: Operation, schemas: Schemas, problem: Json): Json {
  const { id, summary, description, security, parameters, codes } = operation;
  const responses = [
    ...Object.entries(operation.responses).map(([status, one]) => [status, response(one, schemas)]),
    ...byStatus(codes).map(([status, its]) => [String(status), refusal(status, its, problem)]),
  ];
  return {
    operationId: id,
    tags: operation.listeners.map((name) => listeners[name].tag),
    summary,
    ...(description === undefined ? {} : { description }),
    security: security.map((scheme) => ({ [scheme]: [] })),
    ...(parameters ? { parameters: parameters.map((one) => parameter(one, schemas)) } : {}),
    ...(operation.requestBody ? { requestBody: requestBody(operation.requestBody, schemas) } : {}),
    responses: Object.fromEntries(responses) as Json,
  };
}

function parameter({ in: place, name, description, schema }: Parameter, schemas: Schemas): Json {
  return {
    name,
    in: place,
    description,
    ...(place === "path" && { required: true }),
    schema: schemas.of(schema),
  };
}

function requestBody({ required, content }: RequestBody, schemas: Schemas): Json {
  return { required, content: contentOf(content, schemas) };
}
