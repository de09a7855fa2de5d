import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDatabase } from "../support/databases.ts";
import {
  type TestIssuing,
  enrolRecord,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
  onDatabase,
} from "../support/issuing.ts";

const db = new TestDatabase("SQLite");
let nodes: [TestIssuing, TestIssuing];
beforeAll(async () => {
  await db.create();
  const parts = await makeIssuing(await db.open());
  nodes = [parts, { ...parts, ...onDatabase(await db.open(), parts.clock) }];
});
afterAll(() => db.remove());

test("a fleet's token is used by more than it is for, at the same instant on two nodes", async () => {
  const account = await freshAccount(nodes[0]);
  const { token } = await freshToken(nodes[0], account, { uses: 4 });
  const csrs = await Promise.all(Array.from({ length: 10 }, () => makeCsr()));
  const outcomes = await Promise.allSettled(
    csrs.map((csr, index) => enrolRecord(nodes[index % 2] ?? nodes[0], { token, csr })),
  );
  const codes = outcomes.map((outcome) =>
    outcome.status === "fulfilled" ? "issued" : (outcome.reason as { code?: string }).code,
  );
  expect(codes.filter((code) => code === "issued")).toHaveLength(4);
  expect(codes.filter((code) => code === "TOKEN_USED")).toHaveLength(6);
  expect(await db.database.certificates.list({ account: account.slug })).toHaveLength(4);
});
