import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { call, freshRequest } from "../support/client.ts";
import { command } from "../support/command.ts";
import { sharedServer } from "../support/server.ts";

// The one way to a certificate without a token (step-ca CVE-2026-30836 was such a way).

const server = sharedServer({ serve: ["--approval"] });

const post = (path: string, body: unknown, headers: Record<string, string> = {}, method = "POST") =>
  call(server.ca + path, {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    ...(method === "POST" ? { body: typeof body === "string" ? body : JSON.stringify(body) } : {}),
    tls: { ca: readFileSync(server.root) },
  });
const ask = (csr: string) => post("/v1/requests", { csr });
const certificates = async () =>
  ((await server.admin("list")) as unknown as { account?: string }[]).filter(
    ({ account }) => account === "acme",
  );
const fingerprintOf = (answer: { json: Record<string, unknown> }) => String(answer.json["keyFingerprint"]);

test("what no admin has approved gets no certificate, however it is asked for", async () => {
  await server.admin("account", "create", "acme");
  const { csr } = await freshRequest();
  const first = await ask(csr);
  expect(first.status).toBe(202);
  const id = String(first.json["id"]);
  for (let again = 0; again < 3; again++) expect((await ask(csr)).status).toBe(202);
  const answers = [
    // By what only an admin may say, or does at the CA's machine.
    await post("/v1/requests", { csr, account: "acme" }),
    await post("/v1/requests", { csr, status: "approved" }),
    await post(`/v1/requests/${id}/approve`, { account: "acme" }),
    await post(`/v1/requests/${id}`, { csr }),
    await post("/v1/requests/", { csr }),
    // With the request in a token's place.
    await post("/v1/certificates", { csr }, { Authorization: `Bearer ${id}` }),
    await post("/v1/certificates", { csr }, { Authorization: `Bearer request.${id}` }),
    await post("/v1/certificates", { csr }),
    await post("/v1/requests", "", {}, "GET"),
    await post("/v1/requests", csr, { "Content-Type": "text/plain" }),
    await post("/v1/requests", { csr: "A".repeat(70_000) }),
  ];
  expect(answers.map(({ status, json }) => `${String(status)} ${String(json["code"])}`)).toEqual([
    "400 BODY_MALFORMED",
    "400 BODY_MALFORMED",
    "404 NOT_FOUND",
    "404 NOT_FOUND",
    "404 NOT_FOUND",
    "401 TOKEN_MALFORMED",
    "401 TOKEN_MALFORMED",
    "401 TOKEN_REQUIRED",
    "405 METHOD_NOT_ALLOWED",
    "400 BODY_MALFORMED",
    "413 BODY_TOO_LARGE",
  ]);
  expect(await certificates()).toEqual([]);

  // Not by the request's id, nor by a part of the fingerprint: the key is to be compared.
  const fingerprint = fingerprintOf(first);
  for (const name of [id, fingerprint.slice(0, 63), `${fingerprint}0`, "*"]) {
    const ran = await command(["request", "approve", name, "--account", "acme", "--home", server.home]);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toContain("(ID_MALFORMED)");
  }
  expect((await ask(csr)).status).toBe(202);
});

test("an approval is for one key: another's request goes on waiting, and the same one gets one certificate", async () => {
  const [one, other] = [await freshRequest(), await freshRequest()];
  const first = await ask(one.csr);
  expect((await ask(other.csr)).status).toBe(202);
  await server.admin("request", "approve", fingerprintOf(first), "--account", "acme");
  expect((await ask(other.csr)).status).toBe(202);
  expect(await certificates()).toEqual([]);
  const answers = await Promise.all([ask(one.csr), ask(one.csr), ask(one.csr)]);
  expect(
    new Set(answers.map(({ status, json }) => `${String(status)} ${String(json["fingerprint"])}`)).size,
  ).toBe(1);
  expect(await certificates()).toHaveLength(1);
});

test("a flood from one address waits in five places, and is told when to come back", async () => {
  const answers = [];
  for (let count = 0; count < 6; count++) answers.push(await ask((await freshRequest()).csr));
  const last = answers.at(-1);
  expect(last?.status).toBe(429);
  expect(last?.json).toMatchObject({ code: "REQUEST_LIMIT" });
  expect(last?.headers["retry-after"]).toBe("60");
  const listed = (await server.admin("request", "list")) as unknown as { status: string }[];
  expect(listed.filter(({ status }) => status === "pending")).toHaveLength(5);
});
