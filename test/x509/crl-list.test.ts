import fc from "fast-check";
import { expect, test } from "vitest";
import { HOLD, REMOVED } from "../../src/domain/revocation.ts";
import { type PageEntry, entryOf } from "../../src/x509/crl-entries.ts";
import { CrlList } from "../../src/x509/crl-list.ts";

// A list that was changed in thousands of places is, octet for octet, the one that would be written anew. What it means is
// in test/services/crl-model.

const NOW = Date.UTC(2026, 10, 1);
/** More than one segment holds. */
const MANY = 10_000;

const serialOf = (number: number): string => (0x5000 + number * 2).toString(16);
const entryFor = (serial: string, code: number, notAfter: number): PageEntry => ({
  ...{ serial, at: NOW, code, notAfter },
});
const inOrder = (entries: Iterable<PageEntry>): PageEntry[] =>
  [...entries].sort((one, other) => (one.serial < other.serial ? -1 : 1));
const pageOf = (entries: readonly PageEntry[]): string =>
  entries.map(({ serial, at, code, notAfter }) => [serial, at, code, notAfter].join(",")).join(";");
const octets = (list: CrlList): Buffer => Buffer.concat(list.full().parts);

/** In and out of order, at both ends, between others and in their place. */
const pages = fc.array(
  fc
    .uniqueArray(
      fc.record({
        number: fc.oneof(fc.integer({ min: -50, max: MANY + 50 }), fc.integer({ min: 0, max: 20 })),
        isOdd: fc.boolean(),
        code: fc.constantFrom(0, 1, HOLD, REMOVED, REMOVED),
        notAfter: fc.integer({ min: 0, max: 100 }),
      }),
      { selector: ({ number, isOdd }) => number * 2 + (isOdd ? 1 : 0), maxLength: 60, size: "max" },
    )
    .map((items) =>
      items.map(({ number, isOdd, code, notAfter }) =>
        entryFor((0x5000 + number * 2 + (isOdd ? 1 : 0)).toString(16), code, notAfter),
      ),
    ),
  { maxLength: 12, size: "max" },
);

test.each([0, 30, MANY])("a list that began with %i entries is what it would be if written anew", (size) => {
  const first = inOrder(Array.from({ length: size }, (_each, i) => entryFor(serialOf(i), 4, i % 100)));
  fc.assert(
    fc.property(pages, fc.integer({ min: 0, max: 100 }), fc.boolean(), (changes, floor, isSorted) => {
      const list = new CrlList();
      const model = new Map<string, PageEntry>();
      for (let from = 0; from < size; from += 2000) list.put(pageOf(first.slice(from, from + 2000)));
      for (const entry of first) model.set(entry.serial, entry);
      for (const [index, page] of changes.entries()) {
        if (index === 5) {
          list.expire(floor);
          for (const [serial, { notAfter }] of model) if (notAfter < floor) model.delete(serial);
        }
        list.put(pageOf(isSorted ? inOrder(page) : page), index);
        for (const entry of page) {
          if (entry.code === REMOVED) model.delete(entry.serial);
          else model.set(entry.serial, entry);
        }
      }
      const anew = inOrder(model.values());
      expect(list.full().count).toBe(anew.length);
      expect(octets(list).equals(Buffer.concat(anew.map(entryOf)))).toBe(true);
    }),
    { numRuns: size === MANY ? 30 : 200 },
  );
});

test("a list from which everything has gone is empty, and can be filled again", () => {
  const entries = Array.from({ length: MANY }, (_each, i) => entryFor(serialOf(i), 1, 1));
  const list = new CrlList();
  list.put(pageOf(entries));
  list.expire(2);
  expect(list.full()).toEqual({ parts: [], count: 0 });
  list.put(pageOf(entries.slice(0, 3)));
  expect(octets(list).equals(Buffer.concat(entries.slice(0, 3).map(entryOf)))).toBe(true);
});

test("a change copies only what is near it", () => {
  const list = new CrlList();
  list.put(pageOf(Array.from({ length: MANY }, (_each, i) => entryFor(serialOf(i), 1, 1))));
  const before = list.full().parts;
  list.put(pageOf([entryFor(serialOf(5000), 5, 1)]), 1);
  const after = list.full().parts;
  expect(after.filter((part) => !before.includes(part))).toHaveLength(1);
  expect(after).toHaveLength(before.length);
});
