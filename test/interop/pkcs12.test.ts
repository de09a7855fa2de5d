import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { pkcs12 } from "../../src/x509/pkcs12-writer.ts";
import { command } from "../support/command.ts";
import { requireProgram } from "../support/judges.ts";
import { run, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

const server = sharedServer();

/** A fresh NSS database that trusts the server's root. */
async function nssDatabase(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const database = `sql:${folder}`;
  await runOk("certutil", ["-N", "-d", database, "--empty-password"]);
  await runOk("certutil", ["-A", "-d", database, "-n", "trusted", "-t", "C,,", "-i", server.root]);
  return database;
}

/** What a headless Chromium with this home shows of a page, with whatever certificate it has. */
async function chromiumShows(home: Workspace, url: string): Promise<string> {
  const profile = home.file("profile");
  mkdirSync(`${profile}/Default`, { recursive: true });
  // What the policy AutoSelectCertificateForUrls would set, without a file that is all the machine's.
  const select = { [`${new URL(url).origin},*`]: { setting: { filters: [{}] } } };
  const exceptions = { auto_select_certificate: select };
  const preferences = { profile: { content_settings: { exceptions } } };
  writeFileSync(`${profile}/Default/Preferences`, JSON.stringify(preferences));
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"];
  const page = await runOk("chromium", [...flags, `--user-data-dir=${profile}`, "--dump-dom", url], {
    env: {
      ...process.env,
      HOME: home.path,
      XDG_CONFIG_HOME: home.file("config"),
      XDG_DATA_HOME: home.file("data"),
      XDG_CACHE_HOME: home.file("cache"),
    },
  });
  return /<pre>(.*?)<\/pre>/s.exec(page)?.[1] ?? page;
}

describe.each(["ec-p256", "rsa-2048"])("the PKCS#12 file of a key of type %s", (keyType) => {
  let folder: Workspace;
  let p12: string;
  const password = "letters and 0-9";

  beforeAll(async () => {
    folder = server.workspace;
    mkdirSync(folder.file(keyType));
    const file = (name: string): string => folder.file(`${keyType}/${name}`);
    p12 = file("client.p12");
    writeFileSync(file("token"), await server.token("acme"));
    writeFileSync(file("password"), `${password}\n`);
    const named = ["--ca-url", server.ca, "--fingerprint", server.rootFingerprint, "--key-type", keyType];
    const names = ["key", "cert", "ca"].flatMap((option) => [`--${option}`, file(option)]);
    const secrets = ["--token-file", file("token"), "--p12-password-file", file("password")];
    const ran = await command(["enroll", ...named, ...names, ...secrets, "--out-p12", p12]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
  });

  test("opens in openssl, with its password only", async () => {
    const open = (word: string) =>
      run("openssl", ["pkcs12", "-info", "-in", p12, "-nodes", "-passin", `pass:${word}`]);
    const { code, stdout, stderr } = await open(password);
    expect(code).toBe(0);
    const scheme = "PBES2, PBKDF2, AES-256-CBC, Iteration 600000, PRF hmacWithSHA256";
    expect(stderr.split("\n").filter(Boolean)).toEqual([
      "MAC: sha256, Iteration 600000",
      "MAC length: 32, salt length: 16",
      `PKCS7 Encrypted data: ${scheme}`,
      "Certificate bag",
      "Certificate bag",
      "Certificate bag",
      "PKCS7 Data",
      `Shrouded Keybag: ${scheme}`,
    ]);
    const [leaf, issuer, root] = stdout.match(/-----BEGIN CERT[^]*?-----END CERTIFICATE-----/g) ?? [];
    const key = createPrivateKey(stdout.slice(stdout.indexOf("-----BEGIN PRIVATE")));
    expect(new X509Certificate(leaf ?? "").checkPrivateKey(key)).toBe(true);
    expect(new X509Certificate(root ?? "").raw).toEqual(new X509Certificate(readFileSync(server.root)).raw);
    expect(new X509Certificate(leaf ?? "").checkIssued(new X509Certificate(issuer ?? ""))).toBe(true);
    expect(stdout.match(/friendlyName: acme/g)).toHaveLength(2);
    expect(await open("other")).toMatchObject({ code: 1, stdout: "" });
    expect(await open("")).toMatchObject({ code: 1, stdout: "" });
  });

  test("is a key store of Java's, and goes into another", async (context) => {
    requireProgram(context, "keytool", "default-jdk-headless");
    const from = ["-keystore", p12, "-storetype", "PKCS12"];
    const listed = await runOk("keytool", ["-list", "-v", ...from, "-storepass", password]);
    expect(listed).toContain("Alias name: acme\n");
    expect(listed).toContain("Entry type: PrivateKeyEntry\nCertificate chain length: 3\n");
    const source = ["-srckeystore", p12, "-srcstoretype", "PKCS12", "-srcstorepass", password];
    const into = ["-destkeystore", `${p12}.java`, "-deststorepass", "another", "-noprompt"];
    const { code, stderr } = await run("keytool", ["-importkeystore", ...source, ...into]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining("Entry for alias acme successfully imported.") as string,
    });
  });

  test("has Chromium call, from NSS's database", async (context) => {
    requireProgram(context, "chromium");
    requireProgram(context, "pk12util", "libnss3-tools");
    const home = await testWorkspace();
    const database = await nssDatabase(home.file(".pki/nssdb"));
    const imports = ["-i", p12, "-d", database, "-W"];
    expect(await run("pk12util", [...imports, "other"])).not.toMatchObject({ code: 0 });
    await runOk("pk12util", [...imports, password]);
    expect(await runOk("certutil", ["-L", "-d", database])).toMatch(/^acme +u,u,u$/m);
    const who = JSON.parse(await chromiumShows(home, `${server.enforce}/whoami`)) as object;
    expect(who).toMatchObject({ account: "acme" });
  });
});

test("Chromium that has none is told so", async (context) => {
  requireProgram(context, "chromium");
  requireProgram(context, "certutil", "libnss3-tools");
  const home = await testWorkspace();
  await nssDatabase(home.file(".pki/nssdb"));
  const stranger = JSON.parse(await chromiumShows(home, `${server.enforce}/whoami`)) as object;
  expect(stranger).toMatchObject({ code: "CERT_REQUIRED" });
});

test("a password of other letters opens in openssl and NSS", async (context) => {
  requireProgram(context, "pk12util", "libnss3-tools");
  const workspace = await testWorkspace();
  const p12 = workspace.file("client.p12");
  const password = "Füße, 密码 and 🔑";
  const key = createPrivateKey(readFileSync(server.workspace.file("ec-p256/key")));
  const [, leaf = ""] =
    /^([^]*?-----END CERTIFICATE-----)/.exec(readFileSync(server.workspace.file("ec-p256/cert"), "latin1")) ??
    [];
  const contents = { key, certificates: [new X509Certificate(leaf).raw], friendlyName: "Jürgen's 🔑" };
  writeFileSync(p12, await pkcs12(contents, password));
  const open = ["pkcs12", "-in", p12, "-nodes", "-passin"];
  expect(await runOk("openssl", [...open, `pass:${password}`])).toContain("BEGIN PRIVATE KEY");
  expect(await run("openssl", [...open, "pass:Fusse"])).toMatchObject({ code: 1 });
  const database = await nssDatabase(workspace.file("nss"));
  writeFileSync(workspace.file("password"), password);
  await runOk("pk12util", ["-i", p12, "-d", database, "-w", workspace.file("password")]);
  expect(await runOk("certutil", ["-L", "-d", database])).toContain("Jürgen's 🔑");
});

test("an empty password is refused", async () => {
  const key = createPrivateKey(readFileSync(server.workspace.file("ec-p256/key")));
  const contents = { key, certificates: [], friendlyName: "acme" };
  await expect(pkcs12(contents, "")).rejects.toMatchObject({ code: "PASSWORD_EMPTY" });
});
