import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Enforcer, createEnforcer } from "../../src/index.ts";
import { Caller } from "../support/caller.ts";
import { type TestCredential, call, enrolled, freshRequest, requestCertificate } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { listenerCertificate, makeTokens, signedOffRecord } from "../support/own-issuer.ts";
import { changeProfile, enrolledWith, reload } from "../support/rollover.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
/** A service of somebody's own, in this process. */
let enforcer: Enforcer;
let service: Server;
let urls: readonly string[];
let tokens: string[];
beforeAll(async () => {
  enforcer = await createEnforcer({ home: server.home });
  service = enforcer.createServer((_request, response, { account }) => {
    response.end(account);
  }, listenerCertificate(server.home));
  await once(service.listen(0, "127.0.0.1"), "listening");
  const port = (service.address() as AddressInfo).port;
  urls = [`${server.enforce}/whoami`, `https://127.0.0.1:${String(port)}/`];
  tokens = await makeTokens(server.home, "fleet", 10); // before the profiles are changed, which it reads
});
afterAll(async () => {
  service.closeAllConnections();
  service.close();
  await enforcer.close();
});

const token = () => tokens.pop() ?? "";
const whole = (credential: TestCredential): TestCredential => credential;
/** The same without the issuing CA's certificate: whoever is called must have that. */
const leafOnly = (credential: TestCredential): TestCredential => ({
  ...credential,
  cert: new X509Certificate(credential.cert).toString(),
});
async function expectLetIn(credential: TestCredential): Promise<void> {
  for (const { key, cert, ca } of [credential, leafOnly(credential)]) {
    for (const url of urls) expect((await call(url, { tls: { key, cert, ca } })).status).toBe(200);
  }
}

/** The fingerprints of the fleet's certificates that are in force, of those that the flags name. */
async function inForce(...flags: string[]): Promise<string[]> {
  const list = await admin(server.home, "list", "--account", "fleet", "--status", "active", ...flags);
  return (list as unknown as { fingerprint: string }[]).map(({ fingerprint }) => fingerprint).sort();
}

test("a fleet moves to post-quantum keys and their issuing CA, and no call is refused on the way", async () => {
  const old: TestCredential[] = [];
  for (const form of [whole, leafOnly, whole]) old.push(form(await enrolled(server, token())));
  const callers = old.map((credential) => new Caller(credential, urls));
  const goOn = () => Promise.all(callers.map((caller) => caller.goOn()));
  const fingerprints = old.map(({ fingerprint }) => fingerprint);
  await goOn();

  const made = await admin(server.home, "issuer", "create", "pq", "--key-type", "ml-dsa-65");
  expect(made).toMatchObject({ name: "pq", keyType: "ml-dsa-65", servers: 2, late: 0 });
  await goOn();
  changeProfile(server.home, "client", { issuer: "pq", keyTypes: ["ml-dsa-65"] });
  for (const profile of ["device", "server"]) changeProfile(server.home, profile, { issuer: "pq" });
  expect(await reload(server)).toContain("the profiles were read again");
  await goOn();
  const { csr } = await freshRequest();
  const refused = await requestCertificate(server, token(), { csr });
  const detail = "The profile 'client' takes these keys: ml-dsa-65.";
  expect(refused.json).toMatchObject({ status: 400, code: "KEY_UNSUPPORTED", detail });
  expect(await inForce("--key-type", "ec-p256")).toEqual([...fingerprints].sort());

  const renewed: TestCredential[] = [];
  for (const [index, { fingerprint }] of old.entries()) {
    const credential = await enrolledWith(server, token(), "ml-dsa-65");
    await expectLetIn(credential);
    renewed.push(credential);
    await callers[index]?.use(index === 1 ? leafOnly(credential) : credential);
    await admin(server.home, "revoke", fingerprint, "--reason", "superseded");
    const left = fingerprints.slice(index + 1).sort();
    expect(await inForce(...(index === 0 ? ["--issuer", "default"] : ["--key-type", "ec-p256"]))).toEqual(
      left,
    );
    await goOn();
  }
  const moved = renewed.map(({ fingerprint }) => fingerprint).sort();
  expect(await inForce("--issuer", "pq", "--key-type", "ml-dsa-65")).toEqual(moved);
  for (const { cert } of renewed) {
    const { issuer, publicKey } = new X509Certificate(cert);
    expect([issuer, publicKey.asymmetricKeyType]).toEqual(["CN=Countersign Issuing CA pq", "ml-dsa-65"]);
  }
  expect(await admin(server.home, "issuer", "retire", "default")).toMatchObject({
    status: "retired",
    servers: 2,
  });
  await expectLetIn(await enrolledWith(server, token(), "ml-dsa-65"));
  await goOn();

  await Promise.all(callers.map((caller) => caller.stop()));
  const outcomes = callers.flatMap((caller) => caller.outcomes);
  expect(outcomes.filter((outcome) => outcome !== 200)).toEqual([]);
  // Each of three clients by two ways to two addresses, twice at each of seven times.
  expect(outcomes.length).toBeGreaterThanOrEqual(3 * 4 * 14);
  for (const { key, cert, ca } of old) {
    for (const url of urls) {
      const denied = await call(url, { tls: { key, cert, ca } });
      expect(denied.json).toMatchObject({ status: 403, code: "CERT_REVOKED" });
    }
  }
  expect(server.process.exitCode).toBeNull();
}, 90_000);

test("a service goes on following what is trusted after its own certificate was changed", async () => {
  const names = {
    dnsNames: ["localhost"],
    addresses: ["127.0.0.1"],
    extendedKeyUsage: ["serverAuth"] as const,
  };
  const renewed = await signedOffRecord(server.home, names);
  service.setSecureContext(enforcer.tlsOptions(renewed));
  expect(await admin(server.home, "issuer", "create", "next")).toMatchObject({ servers: 2, late: 0 });
  changeProfile(server.home, "client", { issuer: "next", keyTypes: ["ec-p256"] });
  await reload(server);
  const credential = await enrolled(server, token());
  expect(new X509Certificate(credential.cert).issuer).toBe("CN=Countersign Issuing CA next");
  await expectLetIn(credential);

  const { key, cert, ca } = credential;
  const { port } = service.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", key, cert, ca });
  await once(socket, "secureConnect");
  const served = socket.getPeerX509Certificate()?.fingerprint256;
  socket.destroy();
  expect(served).toBe(new X509Certificate(renewed.cert).fingerprint256);
});
