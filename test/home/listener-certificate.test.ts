import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { type Fingerprint, fingerprintOf } from "../../src/domain/identifiers.ts";
import type { Clock, Database, Issuer } from "../../src/domain/ports.ts";
import { DAY } from "../../src/domain/time.ts";
import { ListenerCertificate, type TlsCertificate } from "../../src/home/listener-certificate.ts";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { issuingParts, openState, readPassword } from "../../src/home/open.ts";
import { revoke, suspend } from "../../src/services/revocation.ts";
import { eventually } from "../support/eventually.ts";
import { freshHome } from "../support/fresh-home.ts";
import { call } from "../support/client.ts";
import { testLogger } from "../support/issuing.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
let home: string;
let database: Database;
beforeAll(async () => {
  workspace = await makeWorkspace();
  home = workspace.file("home");
  await freshHome(home);
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

const idOf = ({ cert }: TlsCertificate): Fingerprint => fingerprintOf(new X509Certificate(cert).raw);

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
  await certificate.close();
  agent.destroy();
  server.close();
});

const byTester = { clock: now, actor: "cli:tester" };
const revokeIt = (fingerprint: Fingerprint) => revoke(database, byTester, { fingerprint }, "superseded");
const suspendIt = (fingerprint: Fingerprint) => suspend(database, byTester, { fingerprint });

test.each([
  ["revoked", "at once, when that is told", revokeIt],
  ["suspended", "at once, when that is told", suspendIt],
  ["revoked", "within the hour, when that was never told", revokeIt],
  ["suspended", "within the hour, when that was never told", suspendIt],
] as const)("that is %s is replaced %s", async (_done, when, end) => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const certificate = await open(now);
  const logger = testLogger();
  const told: TlsCertificate[] = [];
  const look = vi.spyOn(database.certificates, "byFingerprint");
  certificate.watch(logger, (renewed) => told.push(renewed));
  await eventually(() => {
    expect(look).toHaveBeenCalledTimes(1);
  });
  await look.mock.results[0]?.value; // the first look, after which it was left as it is
  look.mockRestore();
  const before = idOf(certificate.current);
  const { sequence } = await end(before);
  const [change] = await database.changes.after(sequence - 1, 1);
  if (!change) throw new Error("a change is on record");

  if (when.startsWith("at once")) certificate.onChanges([change]);
  else await vi.advanceTimersByTimeAsync(3_600_000);
  await certificate.close();
  expect(told).toEqual([certificate.current]);
  expect(idOf(certificate.current)).not.toBe(before);
  expect(readFileSync(join(home, "certs/server.crt"), "latin1")).toBe(certificate.current.cert);
  const message = "the listeners' certificate was revoked or suspended: they have a new one";
  expect(logger.lines).toEqual([{ level: "warn", fields: { fingerprint: before }, message }]);
});

test("that was revoked between the start and the watch over it is replaced", async () => {
  const certificate = await open(now);
  const before = idOf(certificate.current);
  const { sequence } = await revokeIt(before);
  certificate.onChanges(await database.changes.after(sequence - 1, 1));
  const told: TlsCertificate[] = [];
  certificate.watch(silent, (renewed) => told.push(renewed));
  await certificate.close();
  expect(told).toEqual([certificate.current]);
  expect(idOf(certificate.current)).not.toBe(before);
});
