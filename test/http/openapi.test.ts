import { Validator } from "@seriousme/openapi-schema-validator";
import type { Express } from "express";
import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../src/config.ts";
import { errorTable, gatewayCodes } from "../../src/domain/errors.ts";
import { ownPaths } from "../../src/domain/own-routes.ts";
import { type CaAppParts, caAppRoutes } from "../../src/http/ca-app.ts";
import { metricsApp } from "../../src/http/metrics-app.ts";
import { isOcsp } from "../../src/http/ocsp-endpoint.ts";
import { type OpenApiDocument, openApiDocument } from "../../src/http/openapi/document.ts";
import type { Listener } from "../../src/http/openapi/operation.ts";
import { operations } from "../../src/http/openapi/operations.ts";
import { apiPage } from "../../src/http/openapi/page.ts";
import { type PublicAppParts, publicRoutes } from "../../src/http/public-app.ts";
import { requireDescribed } from "../support/described.ts";
import { page } from "../support/docs.ts";
import { testLogger } from "../support/issuing.ts";

const document = openApiDocument(operations);
const logger = testLogger();

interface Refusing {
  readonly "x-codes"?: readonly string[];
  readonly content: unknown;
}

function codeOf({ components }: OpenApiDocument) {
  const { schemas } = components as { schemas: Record<string, { properties: { code: unknown } }> };
  return schemas["Problem"]?.properties.code as {
    enum: string[];
    "x-enumDescriptions": Record<string, string>;
  };
}

describe("what is described is what is there:", () => {
  const routesOfDocument = (listener: Listener): string[] =>
    operations.flatMap(({ listeners, method, path }) =>
      listeners.includes(listener) ? [`${method} ${path}`] : [],
    );

  /** What an app's routes are, as the document has them. */
  function routesOf({ router }: Express): string[] {
    const layers = router.stack as unknown as readonly {
      route?: { path: string; methods: Record<string, boolean> };
    }[];
    // What stands without a route would take any path. These two are `finish`.
    expect(layers.map(({ route }) => route === undefined)).toEqual([
      ...layers.slice(2).map(() => false),
      ...[true, true],
    ]);
    return layers.flatMap(({ route }) => {
      const methods = Object.keys(route?.methods ?? {}).filter((name) => name !== "_all");
      return methods.map((method) => `${method} ${(route?.path ?? "").replace(/:(\w+)/g, "{$1}")}`);
    });
  }

  const withoutExpress = ["post /ocsp", "get /ocsp/{request}"];

  test.each<[Listener, () => string[]]>([
    [
      "ca",
      () => {
        const ask = () => Promise.reject(new Error("nobody asks"));
        return routesOf(caAppRoutes({ ask, logger } as unknown as CaAppParts));
      },
    ],
    ["public", () => [...routesOf(publicRoutes({ logger } as unknown as PublicAppParts)), ...withoutExpress]],
    ["metrics", () => routesOf(metricsApp({ registry: {} as never }, logger, () => undefined))],
    [
      "enforce",
      () => {
        const { forwardAuth } = resolveConfig("/home", {}, {}, { forwardAuth: { accounts: ["edge"] } });
        return [...ownPaths, String(forwardAuth?.path)].map((path) => `get ${path}`);
      },
    ],
  ])("%s", (listener, routes) => {
    expect(routesOfDocument(listener).sort()).toEqual(routes().sort());
  });

  test("what is served without Express", () => {
    for (const route of withoutExpress)
      expect(isOcsp({ url: route.split(" ")[1] } as never), route).toBe(true);
  });

  test("each is called what clients that were generated call it, and has each of its codes once", () => {
    const byLabel = (id: string): string[] => [id, `${id}ForLabel`];
    expect(operations.map(({ id }) => id).sort()).toEqual(
      [
        ...["authorizeForwardedCall", "createKeyCompromiseNonce", "enrolCertificate", "getCaller", "getCrl"],
        ...["getHealth", "getIssuer", "getLiveness", "getMetrics", "getOpenApi", "getReadiness", "getRoots"],
        ...["proveKeyCompromise", "queryOcspByGet", "queryOcspByPost", "renewCertificate"],
        ...["requestCertificate", "revokeOwnCertificate"],
        ...["getEstCaCerts", "getEstCsrAttrs", "enrolByEst", "reenrolByEst", "generateKeyByEst"].flatMap(
          byLabel,
        ),
      ].sort(),
    );
    for (const { id, codes } of operations) expect(new Set(codes).size, id).toBe(codes.length);
  });
});

describe("the document", () => {
  test("is OpenAPI 3.1", async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  const { enum: codes, "x-enumDescriptions": sayings } = codeOf(document);

  test("has every code, with its status and sentence", () => {
    expect(codes).toEqual(Object.keys(errorTable));
    expect(Object.keys(sayings)).toEqual(codes);
    for (const [code, [status, sentence]] of Object.entries(errorTable))
      expect(sayings[code]?.replace(/ \(of [^)]+\)/, "")).toBe(`${String(status)}: ${sentence}`);
  });

  test("has every code of an operation with its status, and `Problem` as it is", () => {
    for (const { path, method, codes: own } of operations) {
      const { responses } = document.paths[path]?.[method] as { responses: Record<string, Refusing> };
      const refusing = Object.entries(responses).filter(([, { "x-codes": its }]) => its !== undefined);
      const said = refusing.flatMap(([status, { "x-codes": its }]) =>
        its?.map((code) => `${status} ${code}`),
      );
      expect(said.sort(), path).toEqual(own.map((code) => `${String(errorTable[code][0])} ${code}`).sort());
      for (const [, { content }] of refusing)
        expect(content).toEqual({
          "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
        });
    }
  });

  test("has the header that 304 is an answer to", () => {
    const asked = operations.filter(({ parameters = [] }) =>
      parameters.some(({ in: place, name }) => place === "header" && name === "If-None-Match"),
    );
    expect(asked).toEqual(operations.filter(({ responses }) => 304 in responses));
    expect(asked.length).toBeGreaterThan(2);
  });

  test("says which are given by commands alone: none that docs/errors.md has elsewhere, but for one of enroll's", () => {
    const [, ofCommands = ""] = page("docs/errors.md").split("## Commands");
    const only = codes.filter((code) => sayings[code]?.includes("of commands alone"));
    expect(only.length).toBeGreaterThan(30);
    expect(only.filter((code) => !ofCommands.includes(`\`${code}\``))).toEqual(["REQUEST_PENDING"]);
    expect(codes.filter((code) => sayings[code]?.includes("gateway's"))).toEqual(gatewayCodes);
  });

  test("is what docs/api.md was made of", () => {
    expect(page("docs/api.md"), "run: npm run docs:api").toBe(apiPage(operations));
  });
});

test("an answer whose code its route does not name fails whatever test has it", () => {
  expect(() => {
    requireDescribed("POST", "https://127.0.0.1:1/v1/certificates/ab/revoke", "TOKEN_USED");
  }).toThrow("POST /v1/certificates/{id}/revoke is not said to refuse with TOKEN_USED");
  requireDescribed("POST", "https://127.0.0.1:1/v1/certificates", "TOKEN_USED");
});
