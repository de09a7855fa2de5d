import { expect, test } from "vitest";
import { inChunks } from "../../src/storage/sql.ts";

/** Asks, and tells the lists that it came to. */
async function asked(values: readonly number[]): Promise<{ rows: number[]; sizes: number[] }> {
  const sizes: number[] = [];
  const rows = await inChunks(values, (list, chunk) => {
    expect(list.split(",")).toHaveLength(chunk.length);
    sizes.push(chunk.length);
    return Promise.resolve([...new Set(chunk)]);
  });
  return { rows, sizes };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test.each([
  [0, []],
  [1, [1]],
  [2, [2]],
  [3, [4]],
  [5, [8]],
  [129, [256]],
  [256, [256]],
  [257, [256, 1]],
  [600, [256, 256, 128]],
])("%i values are asked for in lists of %j", async (count, sizes) => {
  expect(await asked(numbers(count))).toEqual({ rows: numbers(count), sizes });
});

test("whatever the number of values, there are few sizes: each is a statement that stays prepared", async () => {
  const sizes = new Set<number>();
  for (let count = 0; count < 1000; count++)
    for (const size of (await asked(numbers(count))).sizes) sizes.add(size);
  expect([...sizes].sort((one, other) => one - other)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256]);
});

test("a value that comes twice is asked for once", async () => {
  expect(await asked([7, 7, 8, 7])).toEqual({ rows: [7, 8], sizes: [2] });
});
