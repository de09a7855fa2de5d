import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Agent as Dispatcher, fetch as undiciFetch, request } from "undici";
import { beforeAll, describe, expect, test } from "vitest";
import { type TestCredential, enrolled } from "../support/client.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { projectRoot, run, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

// Other people's clients, each let through, and refused from the moment of a revocation on.

const server = sharedServer();
let tokens: string[];
beforeAll(async () => {
  tokens = await makeTokens(server.home, "clients", 8);
});

interface Files extends TestCredential {
  readonly keyFile: string;
  readonly certFile: string;
}

/** A credential of its own, also as files. */
async function fresh(): Promise<Files> {
  const credential = await enrolled(server, tokens.pop() ?? "");
  const [keyFile, certFile] = [".key", ".crt"].map((end) =>
    server.workspace.file(credential.fingerprint.slice(0, 16) + end),
  ) as [string, string];
  await writeFile(keyFile, credential.key, { mode: 0o600 });
  await writeFile(certFile, credential.cert);
  return { ...credential, keyFile, certFile };
}

const revoke = ({ fingerprint }: TestCredential) => server.admin("revoke", fingerprint);
const address = (): string => new URL(server.enforce).host;
const question = "GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

describe("openssl s_client", () => {
  const connect = (files: Files, ...args: string[]) => {
    const mine = [
      "-connect",
      address(),
      "-CAfile",
      server.root,
      "-cert",
      files.certFile,
      "-key",
      files.keyFile,
    ];
    return run("openssl", ["s_client", ...mine, ...args], { input: question });
  };

  test("-reconnect: the session is resumed five times, and the certificate with it", async () => {
    const { stdout } = await connect(await fresh(), "-tls1_2", "-reconnect", "-ign_eof");
    expect(stdout.match(/^Reused, TLSv1\.2/gm)).toHaveLength(5);
    expect(stdout).toMatch(/HTTP\/1\.1 200 OK/);
  });

  test.each(["-tls1_2", "-tls1_3"])(
    "a session saved before a revocation is worth nothing: %s",
    async (version) => {
      const files = await fresh();
      const session = `${files.keyFile}.session`;
      const before = await connect(files, version, "-ign_eof", "-sess_out", session);
      expect(before.stdout).toMatch(/HTTP\/1\.1 200 OK/);
      const resumed = await connect(files, version, "-ign_eof", "-sess_in", session, "-sess_out", session);
      expect(resumed.stdout).toMatch(/Reused, TLSv1/);
      expect(resumed.stdout).toMatch(/HTTP\/1\.1 200 OK/);
      await revoke(files);
      const after = await connect(files, version, "-ign_eof", "-sess_in", session);
      expect(after.stdout).toMatch(/Reused, TLSv1/);
      expect(after.stdout).toMatch(/HTTP\/1\.1 403 /);
      expect(after.stdout).toContain("CERT_REVOKED");
    },
  );
});

test("gnutls-cli, resuming its session", async () => {
  const files = await fresh();
  const ask = (...args: string[]) => {
    const mine = [
      "--x509cafile",
      server.root,
      "--x509keyfile",
      files.keyFile,
      "--x509certfile",
      files.certFile,
    ];
    const [host = "", port = ""] = address().split(":");
    return run("gnutls-cli", [...mine, ...args, "-p", port, host], { input: question });
  };
  const before = await ask("--resume", "--waitresumption");
  expect(before.stdout).toContain("This is a resumed session");
  expect(before.stdout).toMatch(/HTTP\/1\.1 200 OK/);
  await revoke(files);
  expect((await ask()).stdout).toMatch(/HTTP\/1\.1 403 [^]*CERT_REVOKED/);
});

describe("Node's fetch and undici", () => {
  test("a dispatcher's connections, kept alive", async () => {
    const { key, cert, ca, ...credential } = await fresh();
    const dispatcher = new Dispatcher({ connect: { key, cert, ca } });
    const ask = () => undiciFetch(`${server.enforce}/whoami`, { dispatcher });
    expect((await ask()).status).toBe(200);
    expect((await request(`${server.enforce}/whoami`, { dispatcher })).statusCode).toBe(200);
    await server.admin("revoke", credential.fingerprint);
    const answer = await ask();
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: "CERT_REVOKED" });
    await dispatcher.close();
  });

  test("fetch of Node itself, with its own certificates from variables that undici's dispatcher takes", async () => {
    const { keyFile, certFile, ...credential } = await fresh();
    const program = `
      import { readFileSync } from "node:fs";
      import { Agent, setGlobalDispatcher } from "undici";
      const [key, cert, ca] = process.argv.slice(2).map((file) => readFileSync(file));
      setGlobalDispatcher(new Agent({ connect: { key, cert, ca } }));
      const answer = await fetch("${server.enforce}/whoami");
      console.log(answer.status, (await answer.json()).code ?? "");
      process.exit();
    `;
    const file = join(projectRoot, "node_modules/.cache", `fetch-${credential.serial}.mjs`);
    await writeFile(file, program);
    const ask = () => runOk(process.execPath, [file, keyFile, certFile, server.root]);
    expect(await ask()).toBe("200 \n");
    await server.admin("revoke", credential.fingerprint);
    expect(await ask()).toBe("403 CERT_REVOKED\n");
  });
});

test("autocannon: all of one client's calls go through, while another's certificate is revoked", async () => {
  const [files, other] = [await fresh(), await fresh()];
  const cannon = async ({ keyFile, certFile }: Files, ...args: string[]) => {
    const program = join(projectRoot, "node_modules/autocannon/autocannon.js");
    const mine = [
      "--key",
      keyFile,
      "--cert",
      certFile,
      "--ca",
      server.root,
      "--json",
      "--no-progress",
      ...args,
    ];
    const ran = await promisify(execFile)(process.execPath, [program, ...mine, `${server.enforce}/whoami`]);
    return JSON.parse(ran.stdout) as Record<"2xx" | "4xx" | "5xx" | "errors" | "timeouts", number>;
  };
  const firing = [cannon(files, "-c", "4", "-a", "3000"), cannon(other, "-c", "4", "-d", "3")] as const;
  await revoke(other);
  const [mine, theirs] = await Promise.all(firing);
  expect(mine).toMatchObject({ "2xx": 3000, "4xx": 0, "5xx": 0, errors: 0, timeouts: 0 });
  expect(theirs).toMatchObject({ "5xx": 0, timeouts: 0 });
  expect(theirs["4xx"]).toBeGreaterThan(0);
  expect((await cannon(other, "-c", "2", "-a", "10"))["2xx"]).toBe(0);
});
