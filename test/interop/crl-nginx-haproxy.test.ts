import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { freePort } from "../support/free-port.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { script } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

// With the directory that `crl publish --out` writes, as docs/revocation.md says.

const server = sharedServer();
/** Where Debian has them, which is not on everybody's PATH. */
const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` };
const isThere = (program: string): boolean => spawnSync(program, ["-v"], { env }).error === undefined;
let good: TestCredential;
let revoked: TestCredential;
let held: TestCredential;
let pem: string;
let crls: string;

beforeAll(async () => {
  good = await enrolled(server, await server.token("acme"));
  revoked = await enrolled(server, await server.token("acme"));
  held = await enrolled(server, await server.token("paused"));
  await server.admin("revoke", revoked.serial);
  await server.admin("suspend", held.serial);
  crls = server.workspace.file("crls");
  await publish();
  const { cert, key } = listenerCertificate(server.home);
  pem = server.workspace.file("server.pem");
  writeFileSync(pem, cert + key, { mode: 0o600 });
});

async function publish(...args: string[]): Promise<void> {
  const ran = await script("publish-crl", ["--out", crls, "--home", server.home, ...args]);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
}

const programs: readonly { name: string; prepare: (port: number, folder: string) => readonly string[] }[] = [
  { name: "nginx", prepare: nginx },
  { name: "haproxy", prepare: haproxy },
];

describe.each(programs)("$name with the published directory", ({ name, prepare }) => {
  const isInstalled = isThere(name);
  let child: ChildProcess | undefined;
  let port = 0;

  const begin = async (): Promise<void> => {
    const folder = server.workspace.file(name);
    mkdirSync(folder, { recursive: true });
    port = await freePort();
    const [program = "", ...args] = prepare(port, folder);
    child = spawn(program, args, { stdio: "ignore", env });
    for (let tries = 0; tries < 100; tries++) {
      if ((await status(good)) !== 0) return;
      await sleep(50);
    }
    throw new Error(`${name} did not begin to answer`);
  };
  const end = async (): Promise<void> => {
    if (!child) return;
    child.kill("SIGTERM");
    await once(child, "exit");
    child = undefined;
  };
  beforeAll(() => (isInstalled ? begin() : undefined));
  afterAll(end);

  /** The HTTP status, or 0 when TLS ended it. */
  const status = async (credential: TestCredential): Promise<number> => {
    const agent = keepAlive(credential);
    try {
      return (await call(`https://127.0.0.1:${String(port)}/`, { agent })).status;
    } catch {
      return 0;
    } finally {
      agent.destroy();
    }
  };

  test("is installed", ({ skip }) => {
    if (!isInstalled && process.env["CI"] === undefined) skip(`${name} is not installed`);
    expect(isInstalled).toBe(true);
  });

  test.runIf(isInstalled)("serves the good and refuses the revoked and the suspended", async () => {
    expect(await status(good)).toBe(200);
    expect([0, 400]).toContain(await status(revoked)); // nginx says it in HTTP, haproxy in TLS
    expect([0, 400]).toContain(await status(held));
  });

  test.runIf(isInstalled)("serves the resumed after the next directory", async () => {
    await server.admin("resume", held.serial);
    await publish();
    await end();
    await begin();
    expect(await status(held)).toBe(200);
    expect([0, 400]).toContain(await status(revoked));
    await server.admin("suspend", held.serial);
    await publish();
  });
});

function nginx(port: number, folder: string): readonly string[] {
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
    events {}
    http {
      access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      server {
        listen 127.0.0.1:${String(port)} ssl;
        ssl_certificate ${pem}; ssl_certificate_key ${pem};
        ssl_client_certificate ${server.root}; ssl_verify_client on; ssl_verify_depth 2;
        ssl_crl ${join(crls, "all.pem")};
        location / { return 200; }
      }
    }`,
  );
  return ["nginx", "-p", folder, "-c", config, "-e", join(folder, "error.log")];
}

function haproxy(port: number, folder: string): readonly string[] {
  const config = join(folder, "haproxy.cfg");
  writeFileSync(
    config,
    `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend tls
  bind 127.0.0.1:${String(port)} ssl crt ${pem} ca-file ${server.root} verify required crl-file ${join(crls, "all.pem")}
  http-request return status 200
`,
  );
  return ["haproxy", "-db", "-f", config];
}
