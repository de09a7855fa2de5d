import { createServer } from "node:http";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { changeConfig } from "../support/change-config.ts";
import { call, enrolled, keepAlive } from "../support/client.ts";
import { freePort } from "../support/free-port.ts";
import { freshHome } from "../support/fresh-home.ts";

import { listenOn } from "../support/gateway-scene.ts";
import { listenerCertificate, signedOffRecord } from "../support/own-issuer.ts";
import { countersign, projectRoot } from "../support/run.ts";
import { serveHome } from "../support/server.ts";
import { spawnServer } from "../support/spawned-server.ts";
import { testWorkspace } from "../support/workspace.ts";

test("the routes alone, beside the CA's process: revocation, certificate and readiness", async () => {
  const workspace = await testWorkspace();
  const home = workspace.file("home");
  await freshHome(home);
  const service = createServer((request, response) =>
    response.end(String(request.headers["x-client-account"])),
  );
  const upstream = await listenOn(service);
  const app = { url: upstream, health: { path: "/", interval: "1s" } };
  changeConfig(home, { upstreams: { app }, routes: [{ path: "/**", upstream: "app" }] });
  const ca = await serveHome(workspace);
  const caller = await enrolled(ca, await ca.token("acme"));
  // Where `serve` has its public listener by default, and `gateway` has none.
  changeConfig(home, { upstreams: { app, elsewhere: { url: "http://127.0.0.1:8080" } } });
  const own = listenerCertificate(home);
  const [cert, key] = [workspace.file("gateway.crt"), workspace.file("gateway.key")];
  await writeFile(cert, own.cert);
  await writeFile(key, own.key);
  const main = join(projectRoot, "src/cli/main.ts");
  const metrics = `127.0.0.1:${String(await freePort())}`;
  const listen = ["--enforce-listen", "127.0.0.1:0", "--metrics-listen", metrics];
  const gateway = await spawnServer(process.execPath, [
    ...[main, "gateway", "--home", home, "--json", "--cert", cert, "--key", key, ...listen],
  ]);
  onTestFinished(async () => {
    await ca.stop();
    gateway.process.kill("SIGKILL");
    service.closeAllConnections();
    service.close();
  });

  const agent = keepAlive(caller);
  expect((await call(`${gateway.enforce}/x`, { agent })).text).toBe("acme");
  expect((await call(`${gateway.enforce}/whoami`, { agent })).json["account"]).toBe("acme");
  expect(await ca.admin("why", caller.fingerprint, "--path", "/x")).toMatchObject({ route: "/**" });
  const ready = async (): Promise<number> => (await fetch(`${gateway.metrics}/readyz`)).status;
  expect(await ready()).toBe(200);
  const shown = await (await fetch(`${gateway.metrics}/metrics`)).text();
  expect(shown).toContain('countersign_decisions_total{code="ALLOWED"}');
  for (const name of ["credentials", "connections", 'account_connections{account="acme"}'])
    expect(shown).toMatch(new RegExp(`^countersign_${name} [1-9]`, "m"));
  expect(shown).toMatch(/^countersign_staleness_seconds \d/m);
  expect(shown).toContain('countersign_account_requests_total{account="acme"} 2');
  expect(shown).toContain("# TYPE countersign_account_denials_total counter");

  gateway.process.kill("SIGHUP");
  await expect.poll(() => gateway.log()).toContain("the listener's certificate was read again");
  expect(gateway.log()).toContain("the routes were read again");
  await writeFile(key, "no key");
  changeConfig(home, { upstreams: { app, elsewhere: { url: `http://${metrics}` } } });
  gateway.process.kill("SIGHUP");
  await expect.poll(() => gateway.log()).toContain("the old one stays");
  expect(gateway.log()).toContain(`upstreams.elsewhere.url: http://${metrics} leads back to this server`);
  expect((await call(`${gateway.enforce}/x`, { tls: caller })).text).toBe("acme");

  await ca.admin("revoke", caller.fingerprint);
  await expect
    .poll(async () => (await call(`${gateway.enforce}/x`, { tls: caller })).json["code"])
    .toBe("CERT_REVOKED");
  service.closeAllConnections();
  service.close();
  await expect.poll(ready).toBe(503);
  gateway.process.kill("SIGTERM");
  expect(await gateway.ended).toEqual([0, null]);
});

test.each<[string, readonly string[], number, string]>([
  ["no certificate", ["--key", "k"], 2, "--cert"],
  ["a key that is another's", ["--cert", "cert", "--key", "other"], 1, "CONFIG_INVALID"],
  [
    "a certificate that is no server's",
    ["--cert", "client", "--key", "client-key"],
    1,
    "not a server's certificate",
  ],
  ["a certificate that is not there", ["--cert", "/no.crt", "--key", "/no.key"], 1, "/no.crt cannot be read"],
])("%s stops the start", async (_name, args, code, fault) => {
  const workspace = await testWorkspace();
  const home = workspace.file("home");
  await freshHome(home);
  const own = listenerCertificate(home);
  const client = await signedOffRecord(home);
  const files = { cert: own.cert, other: client.key, client: client.cert, "client-key": client.key };
  for (const [name, pem] of Object.entries(files)) await writeFile(workspace.file(name), pem);
  const given = args.map((arg) => (Object.hasOwn(files, arg) ? workspace.file(arg) : arg));
  const listen = ["--enforce-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
  const ran = await countersign(["gateway", "--home", home, ...listen, ...given]);
  expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(fault)]);
});
