import { describe, expect, it } from "vitest";
import { type Scope, effectiveScopes, parseScope, parseSlug } from "../../src/domain/names.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

describe("a slug", () => {
  it.each(["a", "7", "billing", "orders-2", "0-", "a".repeat(63)])("%j is one", (text) => {
    expect(parseSlug(text)).toBe(text);
  });

  it.each([
    ["empty", ""],
    ["64 characters", "a".repeat(64)],
    ["a hyphen first", "-a"],
    ["upper case", "Billing"],
    ["an underscore", "a_b"],
    ["a dot", "a.b"],
    ["a slash", "a/b"],
    ["a comma, which would add a name", "a,CN=admin"],
    ["a space", "a b"],
    ["a line break after it", "a\n"],
    ["a NUL", "a\0"],
    ["a letter that looks like another", "аdmin"],
  ])("is not %s", (_name, text) => {
    expect(refusalOf(() => parseSlug(text))).toEqual({
      code: "SLUG_INVALID",
      message: "A name is 1 to 63 of a-z, 0-9 and '-', and starts with a letter or digit.",
    });
  });
});

describe("a scope", () => {
  it.each(["a", "orders:read", "orders/2026.q1:read_all-x", "s".repeat(64)])("%j is one", (text) => {
    expect(parseScope(text)).toBe(text);
  });

  it.each([
    ["empty", ""],
    ["65 characters", "s".repeat(65)],
    ["a colon first", ":read"],
    ["upper case", "orders:Read"],
    ["a wildcard", "orders:*"],
    ["a comma", "a,b"],
    ["a space", "a b"],
    ["a line break after it", "a\n"],
  ])("is not %s", (_name, text) => {
    expect(refusalOf(() => parseScope(text))).toEqual({
      code: "SCOPE_INVALID",
      message: `'${text}' is not a scope such as orders:read.`,
    });
  });
});

describe("effective scopes", () => {
  const scopes = (...texts: string[]): Scope[] => texts.map(parseScope);

  it.each([
    ["all of the account's, when the credential names none", undefined, ["a", "b"], ["a", "b"]],
    ["none, when the credential's list is empty", [], ["a", "b"], []],
    ["what both have", ["b", "c"], ["a", "b"], ["b"]],
    ["none, when nothing is shared", ["c"], ["a", "b"], []],
    ["none, when the account has none", ["a"], [], []],
  ])("are %s", (_name, credential, account, effective) => {
    const own = credential && scopes(...credential);
    expect(effectiveScopes(own, scopes(...account))).toEqual(effective);
  });
});
