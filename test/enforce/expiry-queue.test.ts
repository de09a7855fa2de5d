import fc from "fast-check";
import { expect, test } from "vitest";
import { ExpiryQueue } from "../../src/enforce/expiry-queue.ts";

test("gives nothing before its time, and each item once", () => {
  const queue = new ExpiryQueue<string>();
  expect(queue.nextDue).toBeUndefined();
  expect(queue.takeDue(Infinity)).toBeUndefined();
  queue.push(20, "later");
  queue.push(10, "sooner");
  expect(queue.nextDue).toBe(10);
  expect(queue.takeDue(9)).toBeUndefined();
  expect(queue.takeDue(10)).toBe("sooner");
  expect(queue.takeDue(19)).toBeUndefined();
  expect(queue.nextDue).toBe(20);
  expect(queue.takeDue(30)).toBe("later");
  expect(queue.takeDue(30)).toBeUndefined();
  expect(queue.nextDue).toBeUndefined();
});

const due = fc.integer({ min: 0, max: 50 }); // few enough that many fall together
const step = fc.oneof(
  fc.record({ action: fc.constant("push" as const), at: due }),
  fc.record({ action: fc.constant("take" as const), at: due }),
);

test("does what a sorted array does", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const queue = new ExpiryQueue<{ id: number; due: number }>();
      let model: { id: number; due: number }[] = [];
      for (const [id, { action, at }] of steps.entries()) {
        if (action === "push") {
          queue.push(at, { id, due: at });
          model.push({ id, due: at });
          model.sort((a, b) => a.due - b.due);
        } else {
          const taken = queue.takeDue(at);
          const first = model[0];
          // Which one of those that fall together comes first is not said.
          expect(taken?.due).toBe(first && first.due <= at ? first.due : undefined);
          const rest = model.filter(({ id: other }) => other !== taken?.id);
          expect(rest).toHaveLength(model.length - (taken ? 1 : 0));
          model = rest;
        }
        expect(queue.nextDue).toBe(model[0]?.due);
      }
      const rest: number[] = [];
      for (let item; (item = queue.takeDue(Infinity)) !== undefined;) rest.push(item.id);
      expect(rest.sort((a, b) => a - b)).toEqual(model.map(({ id }) => id).sort((a, b) => a - b));
    }),
  );
});
