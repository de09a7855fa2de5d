import fc from "fast-check";
import { expect, test } from "vitest";
import { matches, parsePattern, readingsOf, relationOf, segmentsOf } from "../../src/domain/route-path.ts";

function pattern(text: string) {
  const parsed = parsePattern(text);
  if (!parsed) throw new Error(`${text} is no pattern`);
  return parsed;
}

function fits(text: string, path: string): boolean {
  const segments = segmentsOf(path);
  return segments !== undefined && matches(pattern(text), segments);
}

test.each([
  ["/", "/"],
  ["/orders", "/orders"],
  ["/orders", "/orders/"],
  ["/orders/", "/orders"],
  ["/orders/", "/orders/"],
  ["/orders/*", "/orders/1"],
  ["/orders/*/lines", "/orders/1/lines"],
  ["/orders/**", "/orders"],
  ["/orders/**", "/orders/"],
  ["/orders/**", "/orders/1/lines"],
  ["/**", "/"],
  ["/**", "/anything/at/all"],
  ["/admin/**", "/%61dmin/x"],
  ["/a~b/**", "/a%7Eb/x"],
  ["/**", "/caf%C3%A9"],
  ["/**", "/a%20b;v=1"],
])("%s has %s", (text, path) => {
  expect(fits(text, path)).toBe(true);
});

test.each([
  ["/", "/orders"],
  ["/orders/*", "/orders"],
  ["/orders/*", "/orders/"],
  ["/orders/*", "/orders/1/lines"],
  ["/orders/**", "/ordersx"],
  ["/orders/**", "/Orders"],
])("%s has not %s", (text, path) => {
  expect(segmentsOf(path)).toBeDefined();
  expect(fits(text, path)).toBe(false);
});

test.each([
  "",
  "orders",
  "*",
  "//orders",
  "/orders//1",
  "/orders/../admin",
  "/orders/..",
  "/./orders",
  "/%2e%2e/admin",
  "/.%2E/admin",
  "/orders/..;x/admin",
  "/orders/%2e%2e;x/admin",
  "/orders%2fadmin",
  "/orders%2Fadmin",
  "/orders%5cadmin",
  "/orders\\admin",
  "/orders%00",
  "/orders%0d%0aX:y",
  "/orders%252fadmin",
  "/orders%",
  "/orders%zz",
  "/orders/;x/admin",
  "/orders/%3Bx/admin",
  "/orders/..%3Fx",
  "/orders/..%20/admin",
  "/orders/%C0%AE",
  "/orders/%C0%AFadmin",
  "/orders/%FF",
  "/ord ers",
  "/caf\u00e9",
  "/orders#x",
])("%j can be read in more than one way", (path) => {
  expect(segmentsOf(path)).toBeUndefined();
});

test.each([
  ["/a/b", ["a", "b"]],
  ["/%61/%7e", ["a", "~"]],
  ["/a;v=1/b", ["a;v=1", "b"], ["a", "b"]],
  ["/a%3Bv/b", ["a%3Bv", "b"], ["a;v", "b"], ["a", "b"]],
  ["/a/%40me", ["a", "%40me"], ["a", "@me"]],
  ["/a./%20b", ["a.", "%20b"], ["a.", " b"], ["a", "b"]],
  ["/a%3f/b", ["a%3F", "b"], ["a?", "b"], ["a"]],
  ["/a;v/%23", ["a;v", "%23"], ["a;v", "#"], ["a", "#"], ["a;v"], ["a"]],
])("%s is read as %j and %j", (path, ...readings) => {
  const distinct = new Set((readingsOf(path) ?? []).map((reading) => JSON.stringify(reading)));
  expect([...distinct]).toEqual(readings.map((reading) => JSON.stringify(reading)));
});

test.each(["orders", "/orders/**/x", "/ord*", "/a/../b", "/a//b", "/a?b", "/%61", "/a b", "/a;b", ""])(
  "%j is no pattern",
  (text) => {
    expect(parsePattern(text)).toBeUndefined();
  },
);

test.each([
  ["/a", "/a", "same"],
  ["/a", "/b", "apart"],
  ["/a", "/*", "within"],
  ["/*", "/a", "around"],
  ["/a/**", "/**", "within"],
  ["/a", "/a/**", "within"],
  ["/a/*", "/*/b", "crossing"],
  ["/a/**", "/*/b", "crossing"],
  ["/a/b", "/a", "apart"],
  ["/a/b/**", "/a/*", "crossing"],
  ["/", "/**", "within"],
  ["/a/", "/a", "same"],
  ["/a/", "/a/*", "apart"],
])("%s lies to %s: %s", (a, b, relation) => {
  expect(relationOf(pattern(a), pattern(b))).toBe(relation);
});

const segment = fc.constantFrom("a", "b", "*");
const patterns = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.boolean())
  .filter(([parts, isDeep]) => parts.length > 0 || isDeep)
  .map(([parts, isDeep]) => `${parts.map((part) => `/${part}`).join("")}${isDeep ? "/**" : ""}`);
const paths = fc
  .array(fc.constantFrom("a", "b", "c"), { maxLength: 4 })
  .chain((parts) => fc.constantFrom(`/${parts.join("/")}`, `/${[...parts, ""].join("/")}`))
  .filter((path) => segmentsOf(path) !== undefined);

test("what is said of two patterns is true of every path", () => {
  fc.assert(
    fc.property(patterns, patterns, paths, (a, b, path) => {
      const [inA, inB] = [fits(a, path), fits(b, path)];
      const relation = relationOf(pattern(a), pattern(b));
      if (relation === "apart") expect(inA && inB).toBe(false);
      if (relation === "same") expect(inA).toBe(inB);
      if (relation === "within" && inA) expect(inB).toBe(true);
      if (relation === "around" && inB) expect(inA).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
