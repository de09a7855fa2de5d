import { conventions } from "./conventions.ts";
import { listeners } from "./listeners.ts";
import type { Content, Listener, Operation, OperationResponse, SecurityScheme } from "./operation.ts";
import { byStatus } from "./problems.ts";
import { type Json, Schemas } from "./schemas.ts";

/** The reference page docs/api.md, of the same operations as the OpenAPI document; Markdown. */
export function apiPage(operations: readonly Operation[]): string {
  const shapes = new Shapes();
  const sections = (Object.keys(listeners) as Listener[]).flatMap((name) => {
    const { tag, description, server } = listeners[name];
    const { host, port } = server.variables;
    const place = server.url.replace("{host}", host.default).replace("{port}", port.default);
    const own = operations.filter(
      ({ listeners: at, variantOf }) => at[0] === name && variantOf === undefined,
    );
    return [
      `## ${tag}`,
      `\`${place}\`, unless it is told otherwise. ${description}`,
      ...own.flatMap((operation) => section(operation, variantsOf(operation, operations), shapes)),
    ];
  });
  return `${[...head, ...sections].join("\n\n")}\n`;
}

const head = [
  "# HTTP API",
  "<!-- Made by `npm run docs:api` from what the routes say of themselves. -->",
  [
    "Every route of `serve`. For programs it is `GET /openapi.json` on the CA listener, OpenAPI 3.1. Refusals are",
    "`application/problem+json`; what their codes mean is in [error codes](errors.md). More of each route is in",
    "[Enrolment](enrolment.md), [Renewal](renewal.md), [EST](est.md) and [Revocation](revocation.md); key types are in",
    "[Issuing](issuing.md). A client certificate is set in your HTTP library, not in what a generator makes.",
  ].join("\n"),
  "```console\n$ curl --cacert ca/certs/root.crt https://127.0.0.1:8443/openapi.json\n```",
  conventions,
];

const variantsOf = ({ id }: Operation, operations: readonly Operation[]): readonly Operation[] =>
  operations.filter(({ variantOf }) => variantOf === id);

function section(operation: Operation, variants: readonly Operation[], shapes: Shapes): string[] {
  const { method, path, summary, description } = operation;
  const facts = [
    who(operation),
    ...parameters(operation),
    ...requestBody(operation, shapes),
    ...responses(operation, shapes),
    ...refusals(operation),
    ...variants.flatMap((variant) => difference(variant, operation)),
  ];
  return [
    `### ${method.toUpperCase()} ${path}`,
    `${summary}.${description === undefined ? "" : ` ${description}`}`,
    facts.join("\n"),
  ];
}

const schemeWords: Readonly<Record<SecurityScheme, string>> = {
  enrolmentToken: "whoever has an enrolment token, as `Authorization: Bearer cst_…`",
  basicToken: "whoever has an enrolment token, as HTTP Basic's password",
  clientCertificate: "whoever has a client certificate, in the TLS handshake",
};

function who({ security, responses: all }: Operation): string {
  if (Object.keys(all).length === 0) return "- Authentication: nobody may call it";
  const words =
    security.length === 0 ? "anyone" : security.map((scheme) => schemeWords[scheme]).join("; or ");
  return `- Authentication: ${words}`;
}

function parameters({ parameters: all = [] }: Operation): string[] {
  const places = { path: "in the path", query: "in the query", header: "a header" } as const;
  return all.map(({ in: place, name, description }) => `- \`${name}\`, ${places[place]}: ${description}`);
}

function requestBody({ requestBody: body }: Operation, shapes: Shapes): string[] {
  const content = Object.entries(body?.content ?? {});
  return content.flatMap(([type, schema]) => shapes.lines(`- Body: \`${type}\``, schema));
}

function responses({ responses: all }: Operation, shapes: Shapes): string[] {
  return Object.entries(all).flatMap(([status, one]: [string, OperationResponse]) => {
    const { description, content = {}, headers = {} } = one;
    const bodies = Object.entries(content).flatMap(([type, schema]) => shapes.lines(`- \`${type}\``, schema));
    const said = Object.entries(headers).map(([name, header]) =>
      typeof header === "string"
        ? `- \`${name}\`, a header: ${header}`
        : `- \`${name}\`, a header (may be missing): ${header.description}`,
    );
    return [`- ${status}: ${description}`, ...[...bodies, ...said].map((line) => `  ${line}`)];
  });
}

function refusals({ codes }: Operation): string[] {
  return byStatus(codes).map(
    ([status, its]) => `- ${String(status)}: ${its.map((code) => `\`${code}\``).join(", ")}`,
  );
}

/** How another path of an operation differs from it. */
function difference(variant: Operation, { codes }: Operation): string[] {
  const more = refusals({ ...variant, codes: variant.codes.filter((code) => !codes.includes(code)) });
  const lines = [...parameters(variant), ...more].map((line) => `  ${line}`);
  return [`- Also \`${variant.method.toUpperCase()} ${variant.path}\``, ...lines];
}

interface Shape extends Json {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
}

/** What bodies are made of; one that has a name is written out once. */
class Shapes {
  readonly #written = new Set<string>();

  lines(beginning: string, schema: Content[string]): string[] {
    const schemas = new Schemas();
    const inPlace: Shape = schemas.of(schema);
    const [[name, component] = []] = Object.entries(schemas.components) as [string, Shape][];
    const { description, properties = {}, required = [] } = component ?? inPlace;
    const fields = Object.entries(properties);
    if (fields.length === 0) return [`${beginning}${asNote(description)}`];
    if (name !== undefined && this.#written.has(name)) return [`${beginning}: \`${name}\`, as above`];
    if (name !== undefined) this.#written.add(name);
    const notes = fields.map(([field, { const: only, description: words }]) => {
      const isMissed = required.includes(field) ? "" : " (may be missing)";
      return `  - \`${field}\`${isMissed}${asNote(only === undefined ? words : `\`${JSON.stringify(only)}\``)}`;
    });
    return [name === undefined ? beginning : `${beginning}: \`${name}\``, ...notes];
  }
}

const asNote = (words: string | undefined): string => (words === undefined ? "" : `: ${words}`);
