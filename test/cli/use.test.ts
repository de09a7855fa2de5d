import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { call, enrolled } from "../support/client.ts";
import { countersign } from "../support/run.ts";
import { startTestServer } from "../support/server.ts";

test("what credentials are used for is shown, counted, and on record when the server has stopped", async () => {
  const server = await startTestServer();
  const used = await enrolled(server, await server.token("acme"));
  const idle = await enrolled(server, await server.token("idle"));
  const tls = { key: used.key, cert: used.cert, ca: used.ca };
  const headers = { "user-agent": "till/1.0" };
  expect((await call(`${server.enforce}/whoami`, { tls, headers })).status).toBe(200);
  expect((await call(`${server.enforce}/nowhere`, { tls, headers })).status).toBe(404);
  const metrics = await (await fetch(`${server.metrics}/metrics`)).text();
  expect(metrics).toContain('countersign_account_requests_total{account="acme"} 2\n');
  expect(metrics).toContain('countersign_account_denials_total{account="acme",code="NO_ROUTE"} 1\n');
  expect(metrics).toContain('countersign_decisions_total{code="NO_ROUTE"} 1\n');
  await server.stop();
  const denied = server
    .log()
    .split("\n")
    .filter((line) => line.includes('"denied"'));
  const { fingerprint } = used;
  expect(denied.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { code: "NO_ROUTE", fingerprint, account: "acme", method: "GET", path: "/nowhere" },
  ]);
  const counts = { requests: 2, denials: 1, lastUsedAt: expect.stringMatching(/^20/) as unknown };
  const shown = { ...counts, lastAddress: "127.0.0.1", lastAgent: "till/1.0" };
  expect(await server.admin("show", fingerprint)).toMatchObject(shown);
  expect(await server.admin("account", "show", "acme")).toMatchObject(counts);
  expect(await server.admin("account", "list")).toMatchObject([
    { slug: "acme", ...counts },
    { slug: "idle", requests: 0, denials: 0 },
  ]);
  expect(await server.admin("list", "--account", "acme")).toMatchObject([shown]);
  expect(await server.admin("list", "--unused", "30d")).toEqual([]);
  await setTimeout(1100);
  const unused = await server.admin("list", "--unused", "1s");
  expect((unused as unknown as { fingerprint: string }[]).map((one) => one.fingerprint)).toContain(
    idle.fingerprint,
  );
  expect((unused as unknown as { account?: string }[]).every(({ account }) => account !== undefined)).toBe(
    true,
  );
  const { stdout } = await countersign(["show", idle.fingerprint, "--home", server.home]);
  expect(stdout).toMatch(/^Last used: +never\nRequests: +0, 0 denied$/m);
  await server.workspace.remove();
});
