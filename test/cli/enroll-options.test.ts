import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { command } from "../support/command.ts";
import { type Ran, run, runOk } from "../support/run.ts";
import { sharedServer, startTestServer } from "../support/server.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

const server = sharedServer();
/** For what is refused before it is used. */
let token: string;
beforeAll(async () => {
  token = await server.token("acme");
});

interface Scene extends Workspace {
  readonly enroll: (...args: readonly string[]) => Promise<Ran>;
}

async function scene(ownToken = token): Promise<Scene> {
  const workspace = await testWorkspace();
  const { file } = workspace;
  writeFileSync(file("token"), `${ownToken}\n`);
  writeFileSync(file("pass"), "a long one\n");
  writeFileSync(file("empty"), "\n");
  const files = Object.entries({
    key: "client.key",
    cert: "client.crt",
    ca: "ca.crt",
    "token-file": "token",
  });
  const args = files.flatMap(([option, name]) => [`--${option}`, file(name)]);
  const named = ["--ca-url", server.ca, "--fingerprint", server.rootFingerprint];
  return { ...workspace, enroll: (...more) => command(["enroll", ...named, ...args, ...more]) };
}

function ed25519Key(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" });
}

function encryptedKey(): string {
  const cipher = { cipher: "aes-256-cbc", passphrase: "another" };
  return createPrivateKey(ed25519Key()).export({ format: "pem", type: "pkcs8", ...cipher });
}

function refusal(ran: Ran, code = 1): unknown {
  expect(ran).toMatchObject({ code, stdout: "" });
  return JSON.parse(ran.stderr);
}

test("prints the curl line that calls next, whatever the ports and the files' names", async () => {
  const { enroll, file, path } = await scene(await server.token("acme"));
  mkdirSync(file("o'clock"));
  const ran = await enroll("--cert", file("o'clock/12:00.crt"));
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  const [, line = ""] = /\n\nNow call:\n\n {2}(curl .*)\n$/.exec(ran.stdout) ?? [];
  expect(line).toContain(`${server.enforce}/whoami`);
  const answer = await runOk("sh", ["-c", line.replace("curl", "curl -sS")], { cwd: path });
  expect(JSON.parse(answer)).toMatchObject({ account: "acme" });
});

test("of an enforcement listener at another host, the curl line says that its address is to be put in", async () => {
  const split = await startTestServer({ serve: ["--enforce-listen", "127.0.0.2:0"] });
  onTestFinished(async () => {
    await split.stop();
    await split.workspace.remove();
  });
  const { enroll } = await scene();
  const ran = await enroll(
    "--ca-url",
    split.ca,
    "--fingerprint",
    split.rootFingerprint,
    "--dry-run",
    "--json",
  );
  expect(JSON.parse(ran.stdout)).toMatchObject({
    call: expect.stringMatching(/ https:\/\/ENFORCING-SERVER\/whoami$/) as string,
  });
  expect(JSON.parse(ran.stdout)).not.toHaveProperty("enforceUrl");
});

test("a dry run checks everything, writes nothing and leaves the token as it was", async () => {
  const { enroll, path, file } = await scene(await server.token("acme"));
  const before = readdirSync(path);
  const p12 = ["--out-p12", file("client.p12"), "--p12-password-file", file("pass")];
  const dry = await enroll("--dry-run", "--json", ...p12);
  expect(dry).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(dry.stdout)).toMatchObject({
    ...{ dryRun: true, keyType: "ec-p256", hasKey: false, enforceUrl: server.enforce },
    writes: ["client.key", "client.p12", "client.crt", "ca.crt"].map(file),
  });
  expect(readdirSync(path)).toEqual(before);
  expect(dry.stdout).not.toMatch(/cst_|a long one/);
  const told = await enroll("--dry-run");
  expect(told.stdout).toMatch(/^Nothing was written, and the token was not sent\.\nCA listener: +https/);
  const wet = await enroll("--json", ...p12);
  expect(wet).toMatchObject({ code: 0, stderr: "" });
  expect(statSync(file("client.p12")).mode & 0o777).toBe(0o600);
});

test.each<[string, string, (scene: Scene) => readonly string[]]>([
  [
    "a malformed token",
    "TOKEN_MALFORMED",
    ({ file }) => {
      writeFileSync(file("token"), "cst_nonsense");
      return [];
    },
  ],
  [
    "a certificate that is there",
    "FILE_EXISTS",
    ({ file }) => {
      writeFileSync(file("client.crt"), "");
      return [];
    },
  ],
  [
    "another CA's root",
    "FILE_EXISTS",
    ({ file }) => {
      writeFileSync(file("ca.crt"), "another's");
      return [];
    },
  ],
  [
    "a PKCS#12 file that is there",
    "FILE_EXISTS",
    ({ file }) => {
      return ["--out-p12", file("pass"), "--p12-password-file", file("pass")];
    },
  ],
  ["a place that is no folder", "FILE_UNREADABLE", ({ file }) => ["--cert", file("pass/client.crt")]],
  ["a folder that is not there", "FILE_UNREADABLE", ({ file }) => ["--key", file("nowhere/client.key")]],
  ["another fingerprint", "SERVER_UNTRUSTED", () => ["--fingerprint", "ab".repeat(32)]],
  ["nobody there", "SERVER_UNREACHABLE", () => ["--ca-url", "https://127.0.0.1:1"]],
])("a dry run is refused for %s", async (_name, code, prepare) => {
  const here = await scene();
  expect(refusal(await here.enroll("--dry-run", "--json", ...prepare(here)))).toMatchObject({ code });
  expect(existsSync(here.file("client.key"))).toBe(false);
});

test.each<[string, string, (scene: Scene) => readonly string[]]>([
  ["no password", "PASSWORD_REQUIRED", ({ file }) => ["--out-p12", file("a.p12")]],
  [
    "an empty password",
    "PASSWORD_EMPTY",
    ({ file }) => {
      return ["--out-p12", file("a.p12"), "--p12-password-file", file("empty")];
    },
  ],
  ["an empty passphrase", "PASSWORD_EMPTY", ({ file }) => ["--passphrase-file", file("empty")]],
  [
    "a passphrase file that is not there",
    "FILE_UNREADABLE",
    ({ file }) => ["--passphrase-file", file("gone")],
  ],
  [
    "a key that PKCS#12 importers don't take",
    "KEY_UNSUPPORTED",
    ({ file }) => {
      return ["--key-type", "ed25519", "--out-p12", file("a.p12"), "--p12-password-file", file("pass")];
    },
  ],
  [
    "such a key that is there",
    "KEY_UNSUPPORTED",
    ({ file }) => {
      writeFileSync(file("my.key"), ed25519Key());
      return ["--key", file("my.key"), "--out-p12", file("a.p12"), "--p12-password-file", file("pass")];
    },
  ],
  [
    "a key of another type than is asked for",
    "FILE_EXISTS",
    ({ file }) => {
      writeFileSync(file("my.key"), ed25519Key());
      return ["--key", file("my.key"), "--key-type", "ec-p256"];
    },
  ],
  [
    "a key that cannot be read",
    "FILE_UNREADABLE",
    ({ file }) => {
      mkdirSync(file("my.key"));
      return ["--key", file("my.key")];
    },
  ],
  [
    "a key with another passphrase",
    "PASSWORD_WRONG",
    ({ file }) => {
      writeFileSync(file("my.key"), encryptedKey());
      return ["--key", file("my.key"), "--passphrase-file", file("pass")];
    },
  ],
  [
    "a key with a passphrase, without it",
    "PASSWORD_REQUIRED",
    ({ file }) => {
      writeFileSync(file("my.key"), encryptedKey());
      return ["--key", file("my.key")];
    },
  ],
])("%s is refused before anything is sent or written", async (_name, code, prepare) => {
  const here = await scene();
  const args = prepare(here);
  const before = readdirSync(here.path);
  // To where nobody listens: whoever asks first is told of that instead.
  const ran = await here.enroll("--json", ...args, "--ca-url", "https://127.0.0.1:1");
  expect(refusal(ran, code === "PASSWORD_REQUIRED" ? 2 : 1)).toMatchObject({ code });
  expect(readdirSync(here.path)).toEqual(before);
});

test("a token that was used is told as that", async () => {
  const { enroll, file } = await scene(await server.token("acme"));
  expect(await enroll()).toMatchObject({ code: 0 });
  const again = await enroll("--key", file("second.key"), "--cert", file("second.crt"), "--json");
  expect(refusal(again)).toMatchObject({
    code: "TOKEN_USED",
    message: expect.stringMatching(
      /used.* The new key is in .*second\.key, and the next attempt takes it\.$/,
    ) as string,
  });
  writeFileSync(file("token"), await server.token("acme"));
  const third = await enroll(
    "--key",
    file("client.key"),
    "--cert",
    file("third.crt"),
    "--key-type",
    "ec-p256",
  );
  expect(third).toMatchObject({ code: 0, stderr: "" });
});

test("a passphrase is the PKCS#12 file's too, if that has none of its own, and a line calls with it", async () => {
  const { enroll, file } = await scene(await server.token("acme"));
  const ran = await enroll("--passphrase-file", file("pass"), "--out-p12", file("client.p12"));
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  const [, whoami = ""] = /\n\ncurl asks .*\n\n {2}countersign (whoami .*)\n$/.exec(ran.stdout) ?? [];
  expect(await command(whoami.split(" "))).toMatchObject({ code: 0 });
  const open = ["pkcs12", "-in", file("client.p12"), "-nodes", "-clcerts", "-passin", `file:${file("pass")}`];
  const pem = await runOk("openssl", open);
  const certificate = new X509Certificate(readFileSync(file("client.crt")));
  expect(certificate.checkPrivateKey(createPrivateKey(pem))).toBe(true);
  expect(new X509Certificate(pem.slice(pem.indexOf("-----BEGIN CERT"))).raw).toEqual(certificate.raw);
  expect(await run("openssl", [...open.slice(0, -1), "pass:other"])).toMatchObject({ code: 1 });
});
