import { expect, test } from "vitest";
import { BoundedNames } from "../../src/domain/bounded-names.ts";

test("a thousand names are told apart, those that come later are one, and one that is called so is none of them", () => {
  const names = new BoundedNames();
  const told = Array.from({ length: 999 }, (_, index) => names.of(`a${String(index)}`));
  expect(new Set(told).size).toBe(999);
  expect(["other", "late", "later", "a0", "other"].map((name) => names.of(name))).toEqual([
    ...["other", "_other", "_other", "a0", "other"],
  ]);
});

test("as few as is said", () => {
  const names = new BoundedNames(1);
  expect(["a", "b", "a"].map((name) => names.of(name))).toEqual(["a", "_other", "a"]);
});
