import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { once } from "node:events";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { type Enforcer, createEnforcer } from "../../src/index.ts";
import { type TestCredential, call, freshRequest, keepAlive } from "../support/client.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { renewalGround } from "../support/renewal-ground.ts";

const on = renewalGround();
const log: Record<string, unknown>[] = [];
let enforcer: Enforcer;
let server: Server;
beforeAll(async () => {
  const write = (fields: object, message: string): number => log.push({ ...fields, message });
  const ignore = (): void => undefined;
  const logger = { info: ignore, warn: ignore, error: write };
  enforcer = await createEnforcer({ home: on.ground.home, logger });
  const certificate = listenerCertificate(on.ground.home);
  server = enforcer.createServer((_request, response) => response.end("hello"), certificate);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(async () => {
  server.close();
  await enforcer.close();
});
afterEach(async () => {
  vi.useRealTimers();
  // Whoever finds the clock set back reads the database again before anything.
  const anybody = await on.ground.credential();
  await expect.poll(() => on.ground.call(anybody)).toBe("200");
  await expect.poll(() => said(anybody)).toBe("200");
});

async function said({ key, cert, ca }: TestCredential): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const { status, json } = await call(`https://127.0.0.1:${String(port)}/`, { tls: { key, cert, ca } });
  return typeof json["code"] === "string" ? json["code"] : String(status);
}

/** An hour and a minute later: it is retired, and everybody has heard of it. */
async function retired(old: TestCredential, renewed: TestCredential): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.now() + HOUR });
  await on.ground.retire();
  // On a connection that is as old as the retirement: that proves nothing.
  await expect.poll(() => on.ground.call(old)).toBe("403 CERT_REVOKED");
  await expect.poll(() => said(old)).toBe("CERT_REVOKED");
  vi.setSystemTime(Date.now() + MINUTE);
  await expect.poll(() => on.ground.call(renewed)).toBe("200");
  await expect.poll(() => said(renewed)).toBe("200");
}

/** Raises another line's alarm: what was to be looked at before has been, by then. */
async function othersAlarm(other: TestCredential): Promise<void> {
  expect(await on.ground.call(other)).toBe("403 CERT_REVOKED");
  const { fingerprint } = other;
  await expect.poll(() => on.ground.errors.at(-1)).toMatchObject({ fingerprint });
}

test("a service of its own notices a retired key that is used, and suspends its successor everywhere", async () => {
  const { ground } = on;
  const old = await ground.credential();
  const renewed = await ground.renew(old);
  expect(await said(renewed)).toBe("200");
  await retired(old, renewed);
  expect(await said(old)).toBe("CERT_REVOKED");
  await expect.poll(() => said(renewed)).toBe("CERT_SUSPENDED");
  await expect.poll(() => ground.call(renewed)).toBe("403 CERT_SUSPENDED");
  const sign = {
    cause: "retired-used",
    fingerprint: old.fingerprint,
    line: old.fingerprint,
    account: "acme",
  };
  // Told by whoever noticed, and by the server that follows.
  expect(log).toMatchObject([sign]);
  await expect.poll(() => ground.errors).toMatchObject([sign]);
});

test("who asks the CA for an answer again is taken for nobody's copy, though the new one is in use", async () => {
  const { ground } = on;
  const old = await ground.credential();
  const { key, csr } = await freshRequest();
  const { json } = await ground.ask(old, csr);
  const renewed = { ...old, key, cert: String(json["chain"]) };
  expect(await ground.call(renewed)).toBe("200");
  const other = await ground.credential();
  await ground.call(await ground.renew(other));
  await retired(old, renewed);
  expect(await ground.ask(old, csr)).toMatchObject({ status: 201, json });
  await othersAlarm(other);
  expect(await ground.call(renewed)).toBe("200");
});

test("at the CA's other routes it is a copy, but not on a connection from before", async () => {
  const { ground } = on;
  const old = await ground.credential();
  const agent = keepAlive(old);
  const revoking = async (by?: typeof agent): Promise<unknown> => {
    const { key, cert, ca } = old;
    const url = `${ground.server.listening.ca}/v1/certificates/${old.fingerprint}/revoke`;
    const headers = { "Content-Type": "application/json" };
    const as = by ? { agent: by } : { tls: { key, cert, ca } };
    return (await call(url, { method: "POST", body: "{}", headers, ...as })).json["code"];
  };
  // The connection asks nothing of the CA that has to do with who is calling.
  expect((await call(`${ground.server.listening.ca}/health`, { agent })).status).toBe(200);
  const renewed = await ground.renew(old);
  expect(await ground.call(renewed)).toBe("200");
  const other = await ground.credential();
  await ground.call(await ground.renew(other));
  await retired(old, renewed);
  expect(await revoking(agent)).toBe("CERT_REVOKED");
  agent.destroy();
  await othersAlarm(other);
  expect(await ground.call(renewed)).toBe("200");
  expect(await revoking()).toBe("CERT_REVOKED");
  await expect.poll(() => ground.call(renewed)).toBe("403 CERT_SUSPENDED");
});
