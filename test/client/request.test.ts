import { createServer } from "node:https";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { type Pending, awaitApproval } from "../../src/client/enrol/request.ts";
import { codec } from "../../src/x509/codec.ts";
import { freshRequest } from "../support/client.ts";
import { expectRefusal } from "../support/issuing.ts";
import { freshHome } from "../support/fresh-home.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { testWorkspace } from "../support/workspace.ts";

const { csr: CSR } = await freshRequest();
const FINGERPRINT = codec.parseRequest(Buffer.from(CSR)).spkiHash;
const waiting = { status: "pending", keyFingerprint: FINGERPRINT, expiresAt: "2030-01-01T00:00:00Z" };
const certificate = Object.fromEntries(
  ["fingerprint", "serial", "certificate", "chain", "notBefore", "notAfter", "account"].map((name) => [
    name,
    name,
  ]),
);

interface Step {
  readonly status: number;
  readonly body?: object;
  readonly retryAfter?: string;
}
const pending = (id: string, retryAfter?: string): Step => ({
  ...{ status: 202, body: { ...waiting, id } },
  ...(retryAfter === undefined ? {} : { retryAfter }),
});
const refused = (status: number, code: string): Step => ({ status, body: { code, detail: "A sentence." } });

/** A CA that plays these answers; without a status there is no listener. */
async function play(steps: readonly (Step | "cut" | "down")[], isToWait = true) {
  const workspace = await testWorkspace();
  const home = workspace.file("home");
  await freshHome(home);
  const bodies: string[] = [];
  const left = [...steps];
  const answer: RequestListener = (request, response) => {
    request.setEncoding("utf8").on("data", (body: string) => bodies.push(`${request.url ?? ""} ${body}`));
    request.on("end", () => {
      const step = left.shift() ?? refused(400, "BODY_MALFORMED"); // which nobody waits for
      if (step === "cut" || step === "down") {
        response.destroy();
        return;
      }
      if (step.retryAfter !== undefined) response.setHeader("Retry-After", step.retryAfter);
      response.writeHead(step.status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(step.body));
    });
  };
  const listen = async (port: number) => {
    const server = createServer(listenerCertificate(home), answer);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return server;
  };
  let server = await listen(0);
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const pauses: number[] = [];
  const told: Pending[] = [];
  const faults: string[] = [];
  let isDown = false;
  const outcome = awaitApproval(
    `https://127.0.0.1:${String(port)}`,
    readFileSync(`${home}/certs/root.crt`, "utf8"),
    CSR,
    {
      isToWait,
      onFault: ({ code }) => faults.push(code),
      onPending: (one) => told.push(one),
      async pause(milliseconds) {
        pauses.push(milliseconds);
        if (isDown) server = await listen(port);
        isDown = left[0] === "down";
        if (!isDown) return;
        left.shift();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    },
  );
  return { outcome, pauses, told, faults, bodies };
}

test("waits, as long as it is told to, however often the CA is down, cuts it off or has too much to do", async () => {
  const { outcome, pauses, told, bodies } = await play([
    ...([pending("one", "7"), pending("one"), "down", "cut", refused(503, "UNAVAILABLE")] as const),
    ...[refused(429, "REQUEST_LIMIT"), refused(500, "INTERNAL"), pending("one", "3600"), pending("one", "0")],
    { status: 201, body: certificate },
  ]);
  expect(await outcome).toMatchObject(certificate);
  expect(pauses).toEqual([7, 5, 10, 20, 40, 60, 60, 60, 1].map((seconds) => seconds * 1000));
  expect(told.map(({ id, keyFingerprint }) => [id, keyFingerprint])).toEqual([["one", FINGERPRINT]]);
  expect(new Set(bodies)).toEqual(new Set([`/v1/requests ${JSON.stringify({ csr: CSR })}`]));
});

test("tells of the request that takes the place of one that has ended", async () => {
  const { outcome, told } = await play([pending("one"), pending("two"), { status: 201, body: certificate }]);
  await outcome;
  expect(told.map(({ id }) => id)).toEqual(["one", "two"]);
});

test.each([
  ["denied", refused(403, "REQUEST_DENIED"), "REQUEST_DENIED"],
  [
    "answered by something else",
    { status: 202, body: { ...waiting, id: "one", keyFingerprint: "\u001b[2J" } },
    "SERVER_UNTRUSTED",
  ],
  [
    "said to be of another key",
    { status: 202, body: { ...waiting, id: "one", keyFingerprint: "ab".repeat(32) } },
    "SERVER_UNTRUSTED",
  ],
  [
    "answered with what would move a cursor",
    { status: 202, body: { ...waiting, id: "one", expiresAt: "2030-01-01T00:00:00Z\u001b[2J" } },
    "SERVER_UNTRUSTED",
  ],
  [
    "given to somebody whose name would",
    { status: 201, body: { ...certificate, account: "\u001b[2J" } },
    "SERVER_UNTRUSTED",
  ],
] as const)("stops when it is %s", async (_name, step, code) => {
  const { outcome } = await play([pending("one"), step]);
  await expectRefusal(outcome, code);
});

test("waits for nothing where the CA takes no requests", async () => {
  const { outcome, pauses, faults } = await play([refused(404, "NOT_FOUND")]);
  await expectRefusal(outcome, "TOKEN_REQUIRED");
  expect([pauses, faults]).toEqual([[], []]);
});

test("waits also where the CA has too much to do at first, and says so", async () => {
  const { outcome, pauses, faults, told } = await play([
    ...[refused(429, "RATE_LIMITED"), refused(429, "RATE_LIMITED"), refused(429, "REQUEST_LIMIT")],
    ...(["cut", pending("one", "7"), refused(503, "UNAVAILABLE")] as const),
    { status: 201, body: certificate },
  ]);
  expect(await outcome).toMatchObject(certificate);
  expect(pauses).toEqual([1, 2, 4, 8, 7, 14].map((seconds) => seconds * 1000));
  expect(faults).toEqual(["RATE_LIMITED", "REQUEST_LIMIT", "SERVER_UNREACHABLE"]);
  expect(told).toHaveLength(1);
});

test.each([
  ["has too many", refused(429, "REQUEST_LIMIT"), "REQUEST_LIMIT", []],
  ["does not answer", "cut", "SERVER_UNREACHABLE", []],
  ["looks at no more strangers", refused(429, "RATE_LIMITED"), "RATE_LIMITED", [1, 2, 4]],
] as const)("not to wait, it tries only so often where the CA %s", async (_name, step, code, waits) => {
  const { outcome, pauses } = await play([step, step, step, step, step], false);
  await expectRefusal(outcome, code);
  expect(pauses).toEqual(waits.map((seconds) => seconds * 1000));
});

test("goes away when it is not to wait, and says what an admin types", async () => {
  const { outcome, pauses } = await play([pending("one")], false);
  await expectRefusal(
    outcome,
    "REQUEST_PENDING",
    `The request waits for an admin. Read the key fingerprint ${FINGERPRINT} out to one, who compares and types: ` +
      `countersign request approve ${FINGERPRINT} --account ACCOUNT. ` +
      "Then run the same command again, before 2030-01-01T00:00:00Z.",
  );
  expect(pauses).toEqual([]);
});
