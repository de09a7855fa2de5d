import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import type { Clock, Database, Issuer } from "../../src/domain/ports.ts";
import { DAY } from "../../src/domain/time.ts";
import { ListenerCertificate } from "../../src/home/listener-certificate.ts";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { issuingParts, openState, readPassword } from "../../src/home/open.ts";
import { call } from "../support/client.ts";
import { countersign } from "../support/run.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
let home: string;
let database: Database;
beforeAll(async () => {
  workspace = await makeWorkspace();
  home = workspace.file("home");
  await countersign(["init", "--home", home]);
  database = await openState(resolveConfig(home, {}, {}, readConfigFile(home)));
});
afterAll(async () => {
  await database.close();
  await workspace.remove();
});
afterEach(() => {
  vi.useRealTimers();
});

async function open(clock: Clock, names = ["localhost", "127.0.0.1", "::1"]): Promise<ListenerCertificate> {
  const password = readPassword(home, undefined, {});
  const config = resolveConfig(home, {}, {}, readConfigFile(home));
  const issuers = await HomeIssuers.open(database, home, password);
  const issuing = issuingParts(config, database, issuers, "http://127.0.0.1:8080", clock);
  const issuer = (): Issuer => issuers.forListeners();
  return ListenerCertificate.open({ home, password, issuing, issuer, names });
}

const now: Clock = { now: () => Date.now() };
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function fingerprint(certificate: { cert: string }): string {
  return new X509Certificate(certificate.cert).fingerprint256;
}

test("is kept across starts, and is on record", async () => {
  const [first, second] = [await open(now), await open(now)];
  expect(second.current.cert).toBe(first.current.cert);
  expect(second.current.cert).toBe(readFileSync(join(home, "certs/server.crt"), "latin1"));
  const id = fingerprint(first.current).replaceAll(":", "").toLowerCase();
  const listed = await database.certificates.list({});
  expect(listed.find((each) => String(each.fingerprint) === id)).toMatchObject({ profile: "listener" });
});

test("is made anew when it lacks a name, when its key is lost, and when two thirds of its life are over", async () => {
  const before = (await open(now)).current;
  const named = (await open(now, ["localhost", "127.0.0.1", "::1", "ca.example"])).current;
  expect(new X509Certificate(named.cert).checkHost("ca.example")).toBe("ca.example");
  rmSync(join(home, "secrets/server.key"));
  const rekeyed = (await open(now)).current;
  writeFileSync(join(home, "certs/server.crt"), before.cert); // as a crash between the two files leaves it
  const repaired = (await open(now)).current;
  const early = (await open({ now: () => Date.now() + 59 * DAY })).current;
  expect(fingerprint(early)).toBe(fingerprint(repaired));
  const late = (await open({ now: () => Date.now() + 61 * DAY })).current;
  expect(new Set([before, named, rekeyed, repaired, late].map(fingerprint)).size).toBe(5);
});

test("is renewed while the server runs, and swapped without dropping a connection", async () => {
  rmSync(join(home, "certs/server.crt"));
  let skew = 0;
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const certificate = await open({ now: () => Date.now() + skew });
  const server = createServer(certificate.current, (_request, response) => response.end("hello"));
  const renewed = new Promise<void>((resolve) => {
    certificate.watch(silent, (changed) => {
      server.setSecureContext(changed);
      resolve();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
  const ca = readFileSync(join(home, "certs/root.crt"));
  const agent = new Agent({ keepAlive: true, ca });
  await call(url, { agent });

  const first = fingerprint(certificate.current);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(fingerprint(certificate.current)).toBe(first);
  skew = 61 * DAY;
  await vi.advanceTimersByTimeAsync(3_600_000);
  await renewed;
  expect(fingerprint(certificate.current)).not.toBe(first);

  expect(await call(url, { agent })).toMatchObject({ text: "hello", reusedSocket: true });
  // The new one starts in 61 days: a new connection is offered it, and says so.
  await expect(call(url, { tls: { ca } })).rejects.toMatchObject({ code: "CERT_NOT_YET_VALID" });
  certificate.close();
  agent.destroy();
  server.close();
});
