import { X509Certificate, createPrivateKey } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import pg from "pg";
import { keyTypes } from "../../src/domain/key-policy.ts";
import { initHome } from "../../src/home/init.ts";
import { systemClock } from "../../src/home/open.ts";
import { command } from "../support/command.ts";
import { countersign, projectRoot, runOk } from "../support/run.ts";
import { snapshot } from "../support/snapshot.ts";
import { testWorkspace } from "../support/workspace.ts";

const order = (home: string, ...args: string[]) => ["init", "--home", home, "--json", ...args];
const init = (home: string, ...args: string[]) => command(order(home, ...args));

function certificate(home: string, name: string): X509Certificate {
  return new X509Certificate(readFileSync(join(home, "certs", name)));
}

test("makes a root and an issuing CA with what RFC 5280 asks of them", async () => {
  const home = (await testWorkspace()).file("home");
  const made = await countersign(order(home, "--name", "Acme, Inc."));
  expect(made).toMatchObject({ code: 0, stderr: "" });
  const [root, issuer] = [certificate(home, "root.crt"), certificate(home, "issuer.crt")];
  expect(JSON.parse(made.stdout)).toMatchObject({
    rootFingerprint: root.fingerprint256.replaceAll(":", "").toLowerCase(),
  });
  expect(issuer.checkIssued(root) && issuer.verify(root.publicKey)).toBe(true);
  const text = async (name: string) =>
    runOk("openssl", ["x509", "-in", join(home, "certs", name), "-noout", "-text"]);
  const [rootText, issuerText] = [await text("root.crt"), await text("issuer.crt")];
  expect(rootText).toMatch(/Basic Constraints: critical\n +CA:TRUE, pathlen:1\n/);
  expect(issuerText).toMatch(/Basic Constraints: critical\n +CA:TRUE, pathlen:0\n/);
  for (const each of [rootText, issuerText]) {
    expect(each).toMatch(/Key Usage: critical\n +Certificate Sign, CRL Sign\n/);
    expect(each).toContain("Acme, Inc.");
    expect(each).toContain("ASN1 OID: prime256v1");
  }
});

test("keeps keys encrypted and everything secret to its owner", async () => {
  const home = (await testWorkspace()).file("home");
  await init(home);
  const mode = (name: string): string => (statSync(join(home, name)).mode & 0o777).toString(8);
  expect(mode("secrets")).toBe("700");
  const secret = ["secrets/root.key", "secrets/issuer.key", "secrets/server.key", "secrets/password"];
  for (const name of [...secret, "secrets/root.password", "config.json", "countersign.sqlite"]) {
    expect([name, mode(name)]).toEqual([name, "600"]);
  }
  for (const name of ["root", "issuer"]) {
    const pem = readFileSync(join(home, `secrets/${name}.key`), "latin1");
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    const form = await runOk("openssl", ["asn1parse"], { input: pem });
    expect(form).toMatch(/:PBES2[^]*:PBKDF2[^]*:0927C0[^]*:hmacWithSHA256[^]*:aes-256-cbc/); // 0x0927C0 = 600,000
    const password = readFileSync(
      join(home, `secrets/${name === "root" ? "root." : ""}password`),
      "utf8",
    ).trim();
    expect(createPrivateKey({ key: pem, passphrase: password }).type).toBe("private");
  }
});

describe("--key-type", () => {
  test.each(keyTypes)("%s", async (keyType) => {
    const home = (await testWorkspace()).file("home");
    expect(await init(home, "--key-type", keyType)).toMatchObject({ code: 0 });
    const [root, issuer, server] = ["root.crt", "issuer.crt", "server.crt"].map((name) =>
      certificate(home, name),
    );
    expect(root?.verify(root.publicKey)).toBe(true);
    expect(issuer && root && issuer.verify(root.publicKey)).toBe(true);
    expect(server && issuer && server.verify(issuer.publicKey)).toBe(true);
    expect(issuer?.publicKey.asymmetricKeyType).toBe(keyType.replace(/^(ec|rsa)-.*/, "$1"));
  });
});

test("refuses a home that is initialised, and changes nothing", async () => {
  const home = (await testWorkspace()).file("home");
  await init(home);
  const before = [snapshot(home), readFileSync(join(home, "secrets/issuer.key"), "latin1")];
  const again = await init(home);
  expect(again).toMatchObject({ code: 1, stdout: "" });
  expect(again.stderr).toContain("HOME_INITIALISED");
  expect([snapshot(home), readFileSync(join(home, "secrets/issuer.key"), "latin1")]).toEqual(before);
});

test("refuses to write over keys whose config.json is lost, with and without the database", async () => {
  const home = (await testWorkspace()).file("home");
  await init(home);
  rmSync(join(home, "config.json"));
  const key = readFileSync(join(home, "secrets/root.key"), "latin1");
  expect((await init(home)).stderr).toContain("put its config.json back");
  for (const file of databaseFiles) rmSync(join(home, file), { force: true });
  expect((await init(home)).stderr).toContain("has keys, but no config.json");
  expect(readFileSync(join(home, "secrets/root.key"), "latin1")).toBe(key);
});

const databaseFiles = ["countersign.sqlite", "countersign.sqlite-wal", "countersign.sqlite-shm"];

describe("an attempt that is killed is taken up by the next", () => {
  test.each([200, 400, 550, 700, 800])("after %i ms", async (delay) => {
    const home = (await testWorkspace()).file("home");
    const main = join(projectRoot, "src/cli/main.ts");
    const child = spawn(process.execPath, [main, "init", "--home", home], { stdio: "ignore" });
    const ended = once(child, "exit");
    setTimeout(() => child.kill("SIGKILL"), delay);
    await ended;
    const again = await init(home);
    expect(again.stderr).toMatch(/^$|HOME_INITIALISED/);
    const [root, issuer] = [certificate(home, "root.crt"), certificate(home, "issuer.crt")];
    expect(issuer.verify(root.publicKey)).toBe(true);
    for (const [name, password] of [
      ["root", "root.password"],
      ["issuer", "password"],
    ] as const) {
      const passphrase = readFileSync(join(home, "secrets", password), "utf8").trim();
      const key = createPrivateKey({ key: readFileSync(join(home, `secrets/${name}.key`)), passphrase });
      expect(certificate(home, `${name}.crt`).checkPrivateKey(key)).toBe(true);
    }
    expect(snapshot(home)["issuers"]).toHaveLength(2);
    const files = readdirSync(home, { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => /(^|\/)init-|\.tmp$/.test(name))).toEqual([]);
    expect(await command(["list", "--home", home])).toMatchObject({ code: 0 });
  });
});

/** Takes a home back to just before `config.json`, as a crash there leaves it. */
async function cutShort(home: string, staged: object, ...files: string[]): Promise<void> {
  const issuer = await runOk("openssl", [
    "x509",
    "-in",
    join(home, "certs/issuer.crt"),
    "-noout",
    "-ext",
    "subjectKeyIdentifier",
  ]);
  const id = (/([0-9A-F]{2}:){19}[0-9A-F]{2}/.exec(issuer)?.[0] ?? "").replaceAll(":", "").toLowerCase();
  const area = join(home, "secrets", `init-${id}`);
  mkdirSync(area);
  for (const name of [
    "certs/root.crt",
    "certs/issuer.crt",
    "secrets/root.key",
    "secrets/issuer.key",
    ...files,
  ]) {
    copyFileSync(join(home, name), join(area, basename(name)));
  }
  writeFileSync(join(area, "options.json"), JSON.stringify(staged));
  rmSync(join(home, "config.json"));
}

test("an attempt that was cut short is gone on with only with the same options and passwords", async () => {
  const workspace = await testWorkspace();
  const home = workspace.file("home");
  writeFileSync(workspace.file("root.pw"), "correct horse\n");
  writeFileSync(workspace.file("other.pw"), "wrong horse\n");
  const rootPassword = ["--root-password-file", workspace.file("root.pw")];
  await init(home, ...rootPassword);
  const { fingerprint256 } = certificate(home, "root.crt");
  const given = { password: false, rootPassword: true };
  await cutShort(home, { name: "Countersign", keyType: "ec-p256", given }, "secrets/password");
  for (const args of [
    [],
    ["--root-password-file", workspace.file("other.pw")],
    [...rootPassword, "--name", "Other"],
    [...rootPassword, "--key-type", "ed25519"],
    [...rootPassword, "--password-file", workspace.file("root.pw")],
  ]) {
    const refused = await init(home, ...args);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("was cut short");
  }
  writeFileSync(join(home, "secrets/root.key.0123456789ab.tmp"), "a copy that a crash left");
  const resumed = await init(home, ...rootPassword);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ madePassword: true, madeRootPassword: false });
  expect(certificate(home, "root.crt").fingerprint256).toBe(fingerprint256);
  expect(readdirSync(join(home, "secrets")).sort()).toEqual([
    "issuer.key",
    "password",
    "root.key",
    "server.key",
  ]);
});

test("an initialised home whose secrets are elsewhere is refused as such", async () => {
  const home = (await testWorkspace()).file("home");
  await init(home);
  rmSync(join(home, "secrets"), { recursive: true });
  expect((await init(home)).stderr).toContain("HOME_INITIALISED");
});

test("of several at once, in this process and in others, one makes the home", async () => {
  const home = (await testWorkspace()).file("home");
  const mutation = { clock: systemClock, actor: "test" };
  const here = () => initHome({ home, flags: {}, env: {}, keyType: "ec-p256", mutation });
  const there = () =>
    countersign(order(home)).then(({ code, stderr }) =>
      code === 0 ? code : Promise.reject(new Error(stderr)),
    );
  const settled = await Promise.allSettled([here(), here(), there(), there()]);
  expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const each of settled) {
    if (each.status === "rejected")
      expect(String(each.reason)).toMatch(/initialised already|belongs to a home already/);
  }
  expect(snapshot(home)["issuers"]).toHaveLength(2);
  const [root, issuer] = [certificate(home, "root.crt"), certificate(home, "issuer.crt")];
  expect(issuer.verify(root.publicKey)).toBe(true);
  expect(await countersign(["list", "--home", home])).toMatchObject({ code: 0 });
});

test("closes a secrets folder that was open", async () => {
  const home = (await testWorkspace()).file("home");
  mkdirSync(join(home, "secrets"), { recursive: true });
  chmodSync(join(home, "secrets"), 0o777);
  await init(home);
  expect(statSync(join(home, "secrets")).mode & 0o777).toBe(0o700);
});

test("takes passwords from files and standard input, and stores neither then", async () => {
  const workspace = await testWorkspace();
  const home = workspace.file("home");
  writeFileSync(workspace.file("root.pw"), "correct horse\n");
  const args = ["--password-file", "-", "--root-password-file", workspace.file("root.pw")];
  const made = await countersign(["init", "--home", home, ...args], { input: "battery staple\n" });
  expect(made).toMatchObject({ code: 0 });
  expect(made.stdout).not.toMatch(/battery|horse/);
  expect(existsSync(join(home, "secrets/password"))).toBe(false);
  expect(existsSync(join(home, "secrets/root.password"))).toBe(false);
  const open = (name: string, passphrase: string) =>
    createPrivateKey({ key: readFileSync(join(home, "secrets", name)), passphrase }).type;
  expect(open("issuer.key", "battery staple")).toBe("private");
  expect(open("root.key", "correct horse")).toBe("private");
});

test("leaves profiles that are there alone", async () => {
  const home = (await testWorkspace()).file("home");
  mkdirSync(join(home, "profiles"), { recursive: true });
  const own = '{"keyTypes":["ed25519"],"life":{"default":"1h","max":"2h"},"extendedKeyUsage":["clientAuth"]}';
  writeFileSync(join(home, "profiles/client.json"), own);
  await init(home);
  expect(readFileSync(join(home, "profiles/client.json"), "utf8")).toBe(own);
});

test("names every fault of its arguments, and makes nothing", async () => {
  const home = (await testWorkspace()).file("home");
  const made = await init(
    home,
    "--trust-domain",
    "not a domain",
    "--dns",
    "ok.example,-bad-",
    "--ca-listen",
    "nowhere",
  );
  expect(made.code).toBe(1);
  for (const part of ["CONFIG_INVALID", "trustDomain", "dns", "listen.ca"])
    expect(made.stderr).toContain(part);
  expect(existsSync(home)).toBe(false);
  expect((await init(home, "--key-type", "dsa")).code).toBe(2);
});

test("keeps its state in PostgreSQL when told to, and refuses another home's database", async () => {
  const workspace = await testWorkspace();
  const url = `${inject("postgresUrl")}/init_test`;
  const admin = new pg.Client({ connectionString: `${inject("postgresUrl")}/postgres` });
  await admin.connect();
  await admin.query("DROP DATABASE IF EXISTS init_test");
  await admin.query("CREATE DATABASE init_test");
  await admin.end();
  const env = { ...process.env, COUNTERSIGN_DATABASE_URL: url };
  const first = await countersign(["init", "--home", workspace.file("a"), "--json"], { env });
  expect(first).toMatchObject({ code: 0 });
  expect(existsSync(workspace.file("a/countersign.sqlite"))).toBe(false);
  const second = await countersign(["init", "--home", workspace.file("b"), "--json"], { env });
  expect(second.code).toBe(1);
  expect(second.stderr).toContain("belongs to a home already");
});
