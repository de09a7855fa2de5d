import { expect, test } from "vitest";
import { resolveConfig } from "../src/config.ts";
import { parseGatewayConfig, toRoutes } from "../src/config-routes.ts";

const app = { url: "http://127.0.0.1:3000" };
const gateway = (routes: readonly object[], upstreams: object = { app }) =>
  parseGatewayConfig({ upstreams, routes });

test("a route says little, and has the rest by default", () => {
  expect(toRoutes(gateway([{ path: "/orders/**", upstream: "app" }]).routes)).toMatchObject([
    {
      ...{ name: "/orders/**", host: undefined, methods: undefined, upstream: "app", scopes: [] },
      ...{ identity: ["headers"], upgrades: [], bodySize: undefined },
      times: { answer: 60_000, idle: 300_000 },
    },
  ]);
  const [named] = toRoutes(
    gateway([
      { path: "/a", host: "API.example.org", methods: ["GET", "HEAD"], upstream: "app", idleTime: "0s" },
    ]).routes,
  );
  expect(named).toMatchObject({
    name: "GET,HEAD api.example.org/a",
    host: "api.example.org",
    times: { idle: 0 },
  });
});

test.each<[string, readonly object[], object, string]>([
  [
    "no such upstream",
    [{ path: "/**", upstream: "ap" }],
    { app },
    "routes.0.upstream: there is no upstream 'ap'",
  ],
  ["no upstream", [{ path: "/**" }], { app }, "routes.0.upstream"],
  [
    "an unknown key",
    [{ path: "/**", upstream: "app", scope: "a" }],
    { app },
    'routes.0: Unrecognized key: "scope"',
  ],
  [
    "an unknown key of an upstream",
    [],
    { app: { ...app, uri: "x" } },
    'upstreams.app: Unrecognized key: "uri"',
  ],
  ["no pattern", [{ path: "/a/../b", upstream: "app" }], { app }, "routes.0.path: '/a/../b' is not a path"],
  ["a bad host", [{ path: "/", host: "a b", upstream: "app" }], { app }, "routes.0.host: not a host"],
  [
    "a bad method",
    [{ path: "/", methods: ["get"], upstream: "app" }],
    { app },
    "routes.0.methods.0: not a method",
  ],
  [
    "a bad scope",
    [{ path: "/", scopes: ["A B"], upstream: "app" }],
    { app },
    "routes.0.scopes.0: 'A B' is not a scope",
  ],
  [
    "a bad duration",
    [{ path: "/", answerTime: "1y", upstream: "app" }],
    { app },
    "routes.0.answerTime: '1y' is not",
  ],
  [
    "overlapping routes",
    [
      { path: "/a/*", upstream: "app" },
      { path: "/*/b", upstream: "app" },
    ],
    { app },
    "routes: the routes '/a/*' and '/*/b' overlap",
  ],
  [
    "two of a name",
    [
      { path: "/a", name: "x", upstream: "app" },
      { path: "/b", name: "x", upstream: "app" },
    ],
    { app },
    "routes: there are two of the name 'x'",
  ],
  [
    "our own path",
    [{ path: "/whoami", upstream: "app" }],
    { app },
    "routes.0.path: /whoami is answered by the gateway",
  ],
  [
    "a URL with a path",
    [],
    { app: { url: "http://127.0.0.1/x" } },
    "upstreams.app.url: 'http://127.0.0.1/x' is not",
  ],
  ["a URL with a password", [], { app: { url: "http://a:b@127.0.0.1" } }, "upstreams.app.url"],
  [
    "TLS without TLS",
    [],
    { app: { ...app, ca: "ca.crt" } },
    "upstreams.app: ca, cert, key and serverName are for https://",
  ],
  [
    "half an identity",
    [],
    { app: { url: "https://a", cert: "x" } },
    "upstreams.app: cert and key go together",
  ],
])("%s is a fault", (_name, routes, upstreams, fault) => {
  expect(() => gateway(routes, upstreams)).toThrow(fault);
});

test("an upstream that is one of our own listeners is a loop", () => {
  const config = (url: string) => () =>
    resolveConfig(
      "/home",
      {},
      {},
      { upstreams: { app: { url } }, routes: [{ path: "/**", upstream: "app" }] },
    );
  for (const url of [
    "https://127.0.0.1:9443",
    "http://localhost:8080",
    "https://[::1]:8443",
    "http://0.0.0.0:9090",
  ])
    expect(config(url)).toThrow(`upstreams.app.url: ${new URL(url).origin} leads back to this server`);
  expect(config("http://127.0.0.1:3000")).not.toThrow();
  expect(config("https://192.0.2.1:9443")).not.toThrow();
});

test("every fault is named at once", () => {
  const routes = [
    { path: "/a/*", upstream: "no" },
    { path: "/*/b", upstream: "app" },
    { path: "/whoami", upstream: "app" },
  ];
  expect(() => gateway(routes)).toThrow(
    /no upstream 'no'.*\/whoami is answered.*'\/a\/\*' and '\/\*\/b' overlap/,
  );
});
