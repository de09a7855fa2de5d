import { z } from "zod";
import { isErrorCode } from "../../src/domain/errors.ts";
import type { OpenApiDocument } from "../../src/http/openapi/document.ts";
import type { Operation } from "../../src/http/openapi/operation.ts";
import { operations } from "../../src/http/openapi/operations.ts";

/** What a route has answered. */
export interface RealAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

type Json = Readonly<Record<string, unknown>>;

/** In what an answer is not as the document says of its operation; nothing when it is. */
export function faultsOf(
  document: OpenApiDocument,
  { method, path }: Operation,
  answer: RealAnswer,
): string[] {
  const response = at(document, "paths", path, method, "responses", String(answer.status));
  if (!response) return [`status ${String(answer.status)} is not described`];
  const headers = Object.entries(response["headers"] ?? {}) as [string, { required: boolean }][];
  const missing = headers.filter(
    ([name, { required }]) => required && !(name.toLowerCase() in answer.headers),
  );
  return [
    ...missing.map(([name]) => `the header ${name} is missing`),
    ...bodyFaults(document, response["content"] as Json | undefined, answer),
    ...refusalFaults(response["x-codes"] as readonly string[] | undefined, answer),
  ];
}

function refusalFaults(codes: readonly string[] | undefined, { status, text }: RealAnswer): string[] {
  if (!codes) return [];
  const problem = JSON.parse(text) as { readonly code: string; readonly status: number };
  return [
    ...(codes.includes(problem.code) ? [] : [`${problem.code} is not among the codes of ${String(status)}`]),
    ...(problem.status === status ? [] : [`the document's status is ${String(problem.status)}`]),
  ];
}

function bodyFaults(
  document: OpenApiDocument,
  content: Json | undefined,
  { headers, text }: RealAnswer,
): string[] {
  if (!content) return text === "" ? [] : ["a body is not described"];
  const type = String(headers["content-type"]).split(";", 1)[0] ?? "";
  const schema = at(content, type, "schema");
  if (!schema) return [`${type} is not described`];
  const value: unknown = type.endsWith("json") ? JSON.parse(text) : text;
  const { schemas } = document["components"] as { readonly schemas: Json };
  const whole = { ...schema, $defs: schemas };
  const inPlace = JSON.parse(JSON.stringify(whole).replaceAll("#/components/schemas/", "#/$defs/")) as Json;
  const { error } = z.fromJSONSchema(inPlace).safeParse(value);
  return [...(error ? [z.prettifyError(error)] : []), ...unsaid(inPlace, inPlace, value)];
}

/** What a body has that is not described: that is allowed of later answers, and a fault of these. */
function unsaid(schema: Json, whole: Json, value: unknown): string[] {
  if (typeof value !== "object" || value === null || "additionalProperties" in schema) return [];
  const names = propertiesOf(schema, whole);
  if (names.includes("*")) return [];
  return Object.keys(value).flatMap((name) => (names.includes(name) ? [] : [`${name} is not described`]));
}

function propertiesOf(schema: Json, whole: Json): string[] {
  if ("additionalProperties" in schema) return ["*"];
  const { $ref, properties = {} } = schema as { $ref?: string; properties?: Json };
  const referred = $ref === undefined ? undefined : at(whole, "$defs", $ref.replace("#/$defs/", ""));
  return [...Object.keys(properties), ...(referred ? propertiesOf(referred, whole) : [])];
}

function at(from: Json, ...names: readonly string[]): Json | undefined {
  return names.reduce<Json | undefined>((value, name) => value?.[name] as Json | undefined, from);
}

/** The operation of a request, if there is one. */
export function operationOf(method: string, url: string): Operation | undefined {
  const path = url.replace(/^https?:\/\/[^/]*/, "").split("?", 1)[0] ?? "";
  return operations.find((each) => each.method === method.toLowerCase() && pattern(each.path).test(path));
}

function pattern(path: string): RegExp {
  const literal = path.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return new RegExp(`^${literal.replace(/\{[a-z]+\}/g, "[^/]+")}$`);
}

/** Throws when a route of the CA listener refuses with what it does not say of itself. */
export function requireDescribed(method: string, url: string, code: unknown): void {
  const operation = operationOf(method, url);
  if (!operation?.listeners.includes("ca") || typeof code !== "string" || !isErrorCode(code)) return;
  if (!operation.codes.includes(code))
    throw new Error(`${method} ${operation.path} is not said to refuse with ${code}`);
}
