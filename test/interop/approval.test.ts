import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { countersign, projectRoot, run, runOk, script } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { testWorkspace } from "../support/workspace.ts";

// The real commands, a real server, and other people's programs.

const server = sharedServer({ serve: ["--approval"] });

interface Listed {
  readonly keyFingerprint: string;
  readonly status: string;
}
const listed = async (): Promise<Listed[]> => (await server.admin("request", "list")) as unknown as Listed[];
const enrollArgs = (): string[] => {
  const main = join(projectRoot, "src/cli/main.ts");
  return [main, "enroll", "--ca-url", server.ca, "--fingerprint", server.rootFingerprint];
};

test("openssl and curl: a request waits, is approved by the fingerprint of its key, and comes back for its certificate", async () => {
  const { path: cwd, file } = await testWorkspace();
  const sh = (text: string) => runOk("sh", ["-eu", "-c", text], { cwd });
  await sh(
    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout a.key -out a.csr",
  );
  const ask = (out: string) =>
    sh(`curl -sS --cacert ${server.root} -H 'Content-Type: application/pkcs10' --data-binary @a.csr -D a.headers \
      -H 'Accept: application/pem-certificate-chain' -o ${out} -w '%{http_code}' ${server.ca}/v1/requests`);
  expect(await ask("a.json")).toBe("202");
  const digest = await sh("openssl pkey -in a.key -pubout -outform DER | openssl dgst -sha256 -r");
  const fingerprint = digest.slice(0, 64);
  const told = JSON.parse(readFileSync(file("a.json"), "utf8")) as Record<string, unknown>;
  expect(told).toMatchObject({ status: "pending", keyFingerprint: fingerprint });
  expect(readFileSync(file("a.headers"), "utf8")).toMatch(/^retry-after: 5\r$/im);
  expect(await listed()).toMatchObject([
    {
      id: told["id"],
      keyFingerprint: fingerprint,
      keyType: "ec-p256",
      address: "127.0.0.1",
      status: "pending",
    },
  ]);
  const shown = await countersign(["request", "list", "--home", server.home]);
  expect(shown.stdout).toMatch(
    new RegExp(`^REQUEST .*\n.* ${fingerprint} +ec-p256 +127.0.0.1 +[0-9]+s +pending\n$`),
  );

  await server.admin("account", "create", "curl");
  const colons = fingerprint.toUpperCase().replace(/..(?=.)/g, "$&:");
  const approved = await script("approve-request", [colons, "--account", "curl", "--home", server.home]);
  expect(approved).toMatchObject({ code: 0, stderr: "" });
  expect(approved.stdout).toContain(`Key ${fingerprint} approved for account curl`);
  expect(await ask("a.crt")).toBe("201");
  expect(
    await sh(`curl -sS --cacert ${server.root} --cert a.crt --key a.key ${server.enforce}/whoami`),
  ).toContain('"account":"curl"');
  const first = readFileSync(file("a.crt"), "utf8");
  expect(await ask("a.crt")).toBe("201");
  expect(readFileSync(file("a.crt"), "utf8")).toBe(first);
  const late = await countersign(["request", "deny", fingerprint, "--home", server.home]);
  expect(late).toMatchObject({ code: 1, stdout: "" });
  const [, issued = ""] = /countersign revoke ([0-9a-f]{64}) \(REQUEST_DECIDED\)$/m.exec(late.stderr) ?? [];
  expect((await countersign(["request", "list", "--home", server.home])).stdout).toContain(
    ` approved  ${issued}`,
  );
});

test("enroll without a token says what an admin types, waits, and comes back after it was interrupted", async () => {
  const { path: cwd, file } = await testWorkspace();
  const dry = await run(process.execPath, [...enrollArgs(), "--dry-run"], { cwd });
  expect(dry).toMatchObject({ code: 0, stderr: "" });
  expect(dry.stdout).toMatch(
    /^Nothing was written, and no request was left\. The CA takes requests without a token\.\n/,
  );
  expect((await listed()).filter(({ status }) => status === "pending")).toEqual([]);
  const waiting = spawn(process.execPath, enrollArgs(), { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  waiting.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  await expect.poll(() => said, { timeout: 20_000 }).toContain("After Ctrl-C");
  const [, fingerprint = ""] =
    /^ {2}countersign request approve ([0-9a-f]{64}) --account ACCOUNT$/m.exec(said) ?? [];
  const ended = once(waiting, "exit");
  waiting.kill("SIGINT");
  expect(await ended).toEqual([null, "SIGINT"]);
  expect(statSync(file("client.key")).mode & 0o777).toBe(0o600);
  expect(existsSync(file("client.crt"))).toBe(false);
  const key = readFileSync(file("client.key"), "utf8");

  const still = await run(process.execPath, [...enrollArgs(), "--no-wait", "--json"], { cwd });
  expect(still).toMatchObject({ code: 1, stdout: "" });
  expect(JSON.parse(still.stderr)).toMatchObject({
    ...{ code: "REQUEST_PENDING", keyFingerprint: fingerprint },
    expiresAt: expect.stringMatching(/^20.*Z$/) as string,
  });
  expect((await listed()).filter(({ status }) => status === "pending")).toMatchObject([
    { keyFingerprint: fingerprint },
  ]);

  await server.admin("account", "create", "laptop");
  await server.admin("request", "approve", fingerprint, "--account", "laptop");
  const done = await run(process.execPath, [...enrollArgs(), "--json"], { cwd });
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(done.stdout)).toMatchObject({ account: "laptop", key: "client.key" });
  expect(readFileSync(file("client.key"), "utf8")).toBe(key);
  expect(existsSync(file("client.key.csr"))).toBe(false);
  const who = await countersign(["whoami", server.enforce], { cwd });
  expect(who.stdout).toMatch(/^Account: +laptop\n/);
  expect(await server.admin("token", "list")).toEqual([]);
});

test("who is denied is told, and gets nothing", async () => {
  const { path: cwd, file } = await testWorkspace();
  const args = [...enrollArgs(), "--no-wait"];
  expect((await run(process.execPath, args, { cwd })).stderr).toContain("(REQUEST_PENDING)");
  const [request] = (await listed()).filter(({ status }) => status === "pending");
  const denied = await script("deny-request", [
    ...[request?.keyFingerprint ?? "", "--note", "not ours", "--home", server.home, "--json"],
  ]);
  expect(JSON.parse(denied.stdout)).toMatchObject({ status: "denied", note: "not ours" });
  const ran = await run(process.execPath, args, { cwd });
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).toBe(
    "countersign: An admin has denied this request. Make another key, or ask for a token. (REQUEST_DENIED)\n",
  );
  expect(existsSync(file("client.crt"))).toBe(false);
});
