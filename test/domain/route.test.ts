import { expect, test } from "vitest";
import { parsePattern, readingsOf, segmentsOf } from "../../src/domain/route-path.ts";
import { type Route, RouteTable, routeFaults } from "../../src/domain/route.ts";

function route(path: string, others: Partial<Route> = {}): Route {
  const pattern = parsePattern(path);
  if (!pattern) throw new Error(`${path} is no pattern`);
  return {
    ...{ name: path, host: undefined, path: pattern, methods: undefined, upstream: "app", scopes: [] },
    ...{ identity: [], upgrades: [], times: { answer: 1000, idle: 1000 }, bodySize: undefined },
    ...others,
  };
}

function found(routes: readonly Route[], path: string, method = "GET", host = "api.example.org"): string {
  const segments = segmentsOf(path);
  if (!segments) throw new Error(`${path} is ambiguous`);
  const result = new RouteTable(routes).find(host, method, segments);
  return "route" in result ? result.route.name : result.code;
}

test("the narrowest path has the request, in whatever order the routes are", () => {
  const routes = ["/**", "/orders/**", "/orders/*", "/orders/new"].map((path) => route(path));
  for (const order of [routes, routes.toReversed()]) {
    expect(found(order, "/orders/new")).toBe("/orders/new");
    expect(found(order, "/orders/1")).toBe("/orders/*");
    expect(found(order, "/orders/1/lines")).toBe("/orders/**");
    expect(found(order, "/else")).toBe("/**");
  }
  expect(found(routes.slice(1), "/else")).toBe("NO_ROUTE");
});

test("a method that the narrowest path has not is not let through by a wider one", () => {
  const read = route("/admin/**", { name: "read", methods: ["GET"] });
  const write = route("/admin/**", { name: "write", methods: ["POST", "PUT"] });
  const routes = [route("/**"), read, write];
  expect(found(routes, "/admin/x")).toBe("read");
  expect(found(routes, "/admin/x", "PUT")).toBe("write");
  const denied = new RouteTable(routes).find("h", "DELETE", ["admin", "x"]);
  expect(denied).toEqual({ code: "METHOD_NOT_ALLOWED", allow: ["GET", "POST", "PUT"] });
});

test.each([
  ["/orders/", "/orders"],
  ["/orders;v=1/2", "/**"],
  ["/orders;v=1", undefined],
  ["/admin", "/admin/**"],
  ["/admin;v=1", undefined],
  ["/admin%3Fx", undefined],
  ["/%3Bx", "/**"],
  ["/users/%40me", undefined],
  ["/users/a%40b", "/**"],
])("%s has the route %s in every reading", (path, name) => {
  const patterns = ["/**", "/orders", "/admin/**", "/users/@me"];
  const table = new RouteTable(patterns.map((each) => route(each)));
  const readings = readingsOf(path);
  if (!readings) throw new Error(`${path} has no readings`);
  const result = table.findForAll("api.example.org", "GET", readings);
  expect(result && "route" in result ? result.route.name : undefined).toBe(name);
});

test("TRACE has no route, not even one for all methods", () => {
  expect(found([route("/**")], "/x", "PROPFIND")).toBe("/**");
  for (const method of ["TRACE", "trace", "CONNECT"])
    expect(found([route("/**")], "/x", method)).toBe("METHOD_NOT_ALLOWED");
});

test("a host's own routes are all that it has", () => {
  const routes = [
    route("/**", { name: "own", host: "api.example.org" }),
    route("/**", { name: "wild", host: "*.example.org" }),
    route("/admin", { name: "any" }),
  ];
  expect(found(routes, "/admin")).toBe("own");
  expect(found(routes, "/admin", "GET", "other.example.org")).toBe("wild");
  expect(found(routes, "/admin", "GET", "a.b.example.org")).toBe("any");
  expect(found(routes, "/admin", "GET", "example.org")).toBe("any");
  expect(found(routes, "/else", "GET", "127.0.0.1")).toBe("NO_ROUTE");
});

test("routes of which it is open which one has a request are faults", () => {
  const get = { methods: ["GET"] };
  expect(routeFaults([route("/a/*"), route("/*/b")])).toEqual(["the routes '/a/*' and '/*/b' overlap"]);
  expect(routeFaults([route("/a"), route("/a", get)])).toHaveLength(1);
  expect(routeFaults([route("/a", get), route("/a", { methods: ["POST"] })])).toEqual([]);
  expect(routeFaults([route("/a/*"), route("/*/b", { host: "h" })])).toEqual([]);
  expect(routeFaults([route("/**"), route("/a/**"), route("/a/*")])).toEqual([]);
});
