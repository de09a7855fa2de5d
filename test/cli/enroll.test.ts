import { createPrivateKey } from "node:crypto";
import { chmodSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import { freshRequest } from "../support/client.ts";
import { countersign } from "../support/run.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { sharedServer, startTestServer } from "../support/server.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

const server = sharedServer();

async function enroll(workspace: Workspace, changes: Record<string, string> = {}, ...more: string[]) {
  const tokenFile = workspace.file("enrol.token");
  if (!existsSync(tokenFile)) writeFileSync(tokenFile, `${await server.token("acme")}\n`);
  const options = {
    "ca-url": server.ca,
    fingerprint: server.rootFingerprint,
    "token-file": tokenFile,
    ...changes,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  return countersign(["enroll", ...args, "--json", ...more], { cwd: workspace.path });
}

test("makes a key here, and the certificate calls", async () => {
  const workspace = await testWorkspace();
  const ran = await enroll(workspace);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(ran.stdout)).toMatchObject({
    account: "acme",
    key: "client.key",
    hadKey: false,
    cert: "client.crt",
    ca: "ca.crt",
  });
  expect(statSync(workspace.file("client.key")).mode & 0o777).toBe(0o600);
  expect(existsSync(workspace.file("client.key.csr"))).toBe(false);
  const who = await countersign(["whoami", server.enforce], { cwd: workspace.path });
  expect(who).toMatchObject({ code: 0, stderr: "" });
  expect(who.stdout).toMatch(/^Account: +acme\n/);

  const again = await enroll(workspace);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("client.crt is there already");
});

test("without a token there is nothing to be had where approval is not turned on", async () => {
  const workspace = await testWorkspace();
  const named = ["--ca-url", server.ca, "--fingerprint", server.rootFingerprint];
  for (const how of ["--no-wait", "--dry-run"]) {
    const ran = await countersign(["enroll", ...named, how], { cwd: workspace.path });
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toBe(
      "countersign: This CA takes no requests without a token. " +
        "Give --token-file, or ask its admin to turn approval on. (TOKEN_REQUIRED)\n",
    );
  }
  expect(readdirSync(workspace.path)).toEqual([]);
  expect(await server.admin("request", "list")).toEqual([]);
});

test("encrypts the key with a passphrase", async () => {
  const workspace = await testWorkspace();
  writeFileSync(workspace.file("pass"), "a long one\n");
  const pass = ["--passphrase-file", "pass"];
  expect(await enroll(workspace, { "key-type": "ed25519" }, ...pass)).toMatchObject({ code: 0 });
  const pem = readFileSync(workspace.file("client.key"), "latin1");
  expect(pem).toContain("BEGIN ENCRYPTED PRIVATE KEY");
  expect(createPrivateKey({ key: pem, passphrase: "a long one" }).asymmetricKeyType).toBe("ed25519");
  expect(await countersign(["whoami", server.enforce, ...pass], { cwd: workspace.path })).toMatchObject({
    code: 0,
  });
});

test("takes a key that is there, and says so, but none that others may have put there", async () => {
  const workspace = await testWorkspace();
  const [key, { key: pem }] = [workspace.file("client.key"), await freshRequest()];
  writeFileSync(key, pem);
  chmodSync(key, 0o620);
  const refused = await enroll(workspace);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(JSON.parse(refused.stderr)).toMatchObject({
    code: "FILE_UNREADABLE",
    message: expect.stringMatching(
      /^client.key belongs to another user, or others may write to it. Move /,
    ) as string,
  });
  chmodSync(key, 0o600);
  const ran = await enroll(workspace);
  expect(JSON.parse(ran.stdout)).toMatchObject({ key: "client.key", hadKey: true });
  expect(readFileSync(key, "latin1")).toBe(pem);
});

test("sends nothing to a CA whose root has another fingerprint", async () => {
  const seen: string[] = [];
  const impostor = createServer(listenerCertificate(server.home), (request, response) => {
    seen.push(`${request.method ?? ""} ${request.url ?? ""} ${JSON.stringify(request.headers)}`);
    request.on("data", (chunk: Buffer) => seen.push(chunk.toString()));
    response.end(readFileSync(server.root));
  });
  await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${String((impostor.address() as AddressInfo).port)}`;
  const workspace = await testWorkspace();
  const ran = await enroll(workspace, { "ca-url": url, fingerprint: "ab".repeat(32) });
  impostor.close();
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).toMatch(/does not have the fingerprint given.*SERVER_UNTRUSTED|SERVER_UNTRUSTED/);
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatch(/^GET \/roots\.pem /);
  expect(seen[0]).not.toContain("cst_");
  expect(existsSync(workspace.file("client.key"))).toBe(false);
});

test("sends nothing to whoever has the right root, but not its certificate", async () => {
  const other = await startTestServer({ init: [] });
  const seen: string[] = [];
  const impostor = createServer(listenerCertificate(other.home), (request, response) => {
    seen.push(request.url ?? "");
    response.end(readFileSync(server.root)); // the root is public: anybody can show it
  });
  await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${String((impostor.address() as AddressInfo).port)}`;
  const ran = await enroll(await testWorkspace(), { "ca-url": url });
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0"); // of the process that is started
  const lax = await enroll(await testWorkspace(), { "ca-url": url });
  vi.unstubAllEnvs();
  impostor.close();
  await other.stop();
  await other.workspace.remove();
  expect([ran.code, lax.code]).toEqual([1, 1]);
  for (const { stderr } of [ran, lax]) expect(stderr).toContain("SERVER_UNTRUSTED");
  expect(seen).toEqual(["/roots.pem", "/roots.pem"]);
});

test("a lost answer burns nothing: the same command gets the same certificate", async () => {
  const workspace = await testWorkspace();
  expect(await enroll(workspace, { cert: "missing/client.crt" })).toMatchObject({ code: 1 });
  expect(existsSync(workspace.file("client.key.csr"))).toBe(true);
  const ran = await enroll(workspace);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
});

test.each<[string, Record<string, string>, number, string]>([
  ["nobody listens", { "ca-url": "https://127.0.0.1:1" }, 1, "SERVER_UNREACHABLE"],
  ["plain HTTP", { "ca-url": "http://127.0.0.1:8443" }, 2, "CONFIG_INVALID"],
  ["no fingerprint", { fingerprint: "abc" }, 2, "ID_MALFORMED"],
  ["no token file", { "token-file": "nowhere" }, 1, "FILE_UNREADABLE"],
  ["a key type there is not", { "key-type": "dsa" }, 2, "dsa"],
])("says what is wrong: %s", async (_name, changes, code, message) => {
  const workspace = await testWorkspace();
  const ran = await enroll(workspace, changes);
  expect(ran.code).toBe(code);
  expect(ran.stderr).toContain(message);
  expect(existsSync(workspace.file("client.crt"))).toBe(false);
});

test("whoami says why it is refused", async () => {
  const workspace = await testWorkspace();
  await enroll(workspace);
  await server.admin("revoke", workspace.file("client.crt"));
  const who = await countersign(["whoami", server.enforce, "--json"], { cwd: workspace.path });
  expect(who).toMatchObject({ code: 1, stdout: "" });
  expect(JSON.parse(who.stderr)).toMatchObject({ code: "CERT_REVOKED" });
});
