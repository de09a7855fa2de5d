import { X509Certificate, createPrivateKey, createPublicKey } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { type Root, homeRoot, openRoot } from "../../src/home/root.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { type CaParent, makeCaCertificate } from "../../src/x509/ca-certificate.ts";
import { codec } from "../../src/x509/codec.ts";
import { readCrl } from "../../src/x509/crl-reader.ts";
import { toPem } from "../../src/x509/pem.ts";
import { admin, command } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { makeIssuer, testNow, testSerial } from "../support/fixtures-issuer.ts";
import { filesBelow, modeOf, spkiOf } from "../support/rollover.ts";
import { runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

const server = sharedServer();
const here = (...args: string[]) => command([...args, "--home", server.home]);
const inHome = (...path: string[]) => join(server.home, ...path);
const certificateAt = (path: string) => new X509Certificate(readFileSync(path));
const state = () => [snapshot(server.home), filesBelow(inHome("certs")), filesBelow(inHome("secrets"))];

async function fetched(path: string): Promise<Buffer> {
  const response = await fetch(server.public + path);
  expect([path, response.status]).toEqual([path, 200]);
  return Buffer.from(await response.arrayBuffer());
}

/** Runs a command that must be refused, and leave everything as it was. */
async function expectRefused(code: string, message: string, ...args: string[]): Promise<void> {
  const before = state();
  const ran = await here(...args);
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).toContain(`countersign: ${message} (${code})\n`);
  expect(state()).toEqual(before);
}

test("one that is made is called after its key's type, and in service at once", async () => {
  const made = await admin(server.home, "issuer", "create", "--key-type", "ml-dsa-65");
  expect(made).toMatchObject({
    ...{ name: "ml-dsa-65", role: "issuing", status: "active", keyType: "ml-dsa-65" },
    ...{ nearEnd: false, servers: 1, late: 0 },
  });
  const id = String(made["id"]);
  const certificate = certificateAt(inHome("certs/issuers/ml-dsa-65.crt"));
  expect(certificate.subject).toBe("CN=Countersign Issuing CA ml-dsa-65");
  expect(certificate.verify(certificateAt(server.root).publicKey)).toBe(true);
  expect(certificate.validToDate.getTime() - certificate.validFromDate.getTime()).toBe(1825 * DAY + HOUR);
  expect((await fetched(`/issuers/${id}.crt`)).equals(certificate.raw)).toBe(true);
  await eventually(async () => {
    expect(readCrl(await fetched(`/crl/${id}.crl`), certificate.raw)).toMatchObject({
      number: 1,
      entries: [],
    });
  });
  const left = () => (certificate.validToDate.getTime() - Date.now()) / 1000;
  const most = left();
  const metrics = await (await fetch(`${server.metrics}/metrics`)).text();
  const seconds = Number(/^countersign_issuer_seconds_left{issuer="ml-dsa-65"} (\S+)$/m.exec(metrics)?.[1]);
  expect(seconds).toBeLessThanOrEqual(most);
  expect(seconds).toBeGreaterThanOrEqual(left());
});

test("its key is encrypted and its owner's alone; its certificate is anybody's to read", () => {
  const key = inHome("secrets/issuers/ml-dsa-65.key");
  const files = [inHome("secrets/issuers"), key, inHome("certs/issuers/ml-dsa-65.crt")];
  expect(files.map(modeOf)).toEqual(["700", "600", "644"]);
  const pem = readFileSync(key, "latin1");
  expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
  const passphrase = readFileSync(inHome("secrets/password"), "latin1").trim();
  const opened = createPrivateKey({ key: pem, passphrase });
  expect(certificateAt(inHome("certs/issuers/ml-dsa-65.crt")).checkPrivateKey(opened)).toBe(true);
});

test("with its key made here, and its certificate by a root elsewhere, it is installed", async () => {
  const [csr, crt] = [server.workspace.file("branch.csr"), server.workspace.file("branch.crt")];
  const asked = await here("issuer", "csr", "branch", "--key-type", "ec-p384");
  expect(asked).toMatchObject({ code: 0, stderr: "" });
  expect(await runOk("openssl", ["req", "-verify", "-noout", "-subject"], { input: asked.stdout })).toContain(
    "subject=CN = Countersign Issuing CA branch",
  );
  writeFileSync(csr, asked.stdout);
  expect(existsSync(inHome("certs/issuers/branch.crt"))).toBe(false);
  const signed = await here("root", "sign-issuer", csr, "--name", "branch", "--life", "30d", "--out", crt);
  expect(signed.stdout).toMatch(/branch\.crt: for 'issuer install branch', valid to \S+Z\.\n$/);
  const installed = await here("issuer", "install", "branch", crt);
  expect(installed).toMatchObject({ code: 0, stderr: "" });
  const applied = "Applied by 1 server; 0 connections closed";
  expect(installed.stdout).toMatch(
    new RegExp(`^Issuing CA branch installed, valid to \\S+Z\\. ${applied}\\.\n$`),
  );
  const verify = ["verify", "-x509_strict", "-CAfile", server.root, inHome("certs/issuers/branch.crt")];
  expect(await runOk("openssl", verify)).toContain("branch.crt: OK");

  const message = "There is an issuing CA 'branch' already.";
  await expectRefused("ISSUER_EXISTS", message, "issuer", "create", "branch");
});

test("a request that was cut short is gone on with, with the same key and no other", async () => {
  const first = await admin(server.home, "issuer", "csr", "again");
  const files = filesBelow(inHome("secrets"));
  const second = await admin(server.home, "issuer", "csr", "again");
  const keys = [first, second].map(({ csr }) => codec.parseRequest(Buffer.from(String(csr))).spki);
  expect(keys[1]).toEqual(keys[0]);
  expect(filesBelow(inHome("secrets"))).toEqual(files);
  const file = inHome("secrets/issuers/again.key");
  const fault = `${file} is a key of another type, whose certificate is still to come.`;
  const message = `${fault} Delete it, or choose another name.`;
  await expectRefused("ISSUER_EXISTS", message, "issuer", "csr", "again", "--key-type", "ed25519");
  await admin(server.home, "issuer", "create", "again");
  const made = certificateAt(inHome("certs/issuers/again.crt"));
  expect(spkiOf(made)).toBe(Buffer.from(keys[0] ?? []).toString("hex"));
});

test("with another password than the other issuing keys' none is made", async () => {
  const wrong = ["--password-file", server.workspace.file("wrong.pw")];
  writeFileSync(server.workspace.file("wrong.pw"), "not the home's\n");
  const message = "The key does not open with this password.";
  await expectRefused("PASSWORD_WRONG", message, "issuer", "create", "other", ...wrong);
});

describe("a certificate is refused, and nothing changes", () => {
  let root: Root;
  let ours: CaParent;
  let csr: Buffer;
  const template = (notAfter = testNow + DAY) => ({
    ...{ commonName: "Issuing CA", serial: testSerial(), notBefore: testNow - 2 * HOUR },
    ...{ notAfter, pathLength: 0 },
  });
  const forKey = async (parent: CaParent, ...args: Parameters<typeof template>): Promise<Buffer> => {
    const { spki, keyType } = codec.parseRequest(csr);
    const publicKey = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    return makeCaCertificate({ publicKey, keyType }, template(...args), parent);
  };
  beforeAll(async () => {
    csr = Buffer.from(String((await admin(server.home, "issuer", "csr", "wanted"))["csr"]));
    root = openRoot(homeRoot(server.home, server.public), undefined);
    ours = { certificate: root.issuer.der, keys: root.keys };
  });

  const unusable = "The certificate cannot be an issuing CA's here:";
  const notOne = "This is not one CA certificate in PEM or DER.";
  test.each<[string, string, () => string, () => Uint8Array | Promise<Uint8Array>]>([
    [
      "for another key",
      "ISSUER_INVALID",
      () => `The certificate is not for the key in ${inHome("secrets/issuers/wanted.key")}.`,
      async () => makeCaCertificate(await makeKeyPair("ec-p256"), template(), ours),
    ],
    [
      "of another root",
      "ISSUER_INVALID",
      () => `${unusable} the home's root did not sign it; it names another issuer's key.`,
      async () => {
        const { issuer, keys } = await makeIssuer("ec-p256");
        return forKey({ certificate: issuer.der, keys });
      },
    ],
    [
      "that has ended",
      "ISSUER_INVALID",
      () => `${unusable} it has ended.`,
      () => forKey(ours, testNow - HOUR),
    ],
    [
      "of a listener",
      "ISSUER_INVALID",
      () =>
        `${unusable} the home's root did not sign it; it names another issuer's key; ` +
        "it is not a CA of path length 0; its key usage is not keyCertSign and cRLSign.",
      () => readFileSync(inHome("certs/server.crt")),
    ],
    ["that is none", "ISSUER_INVALID", () => notOne, () => Buffer.from("hello")],
  ])("%s", async (_name, code, message, make) => {
    const file = server.workspace.file("offered.crt");
    writeFileSync(file, await make());
    await expectRefused(code, message(), "issuer", "install", "wanted", file);
  });

  test("under a name that has no key, and with a password that does not open it; then it is taken", async () => {
    const file = server.workspace.file("right.crt");
    writeFileSync(file, toPem("CERTIFICATE", await forKey(ours)));
    const install = (name: string, ...args: string[]) => ["issuer", "install", name, file, ...args];
    const key = inHome("secrets/issuers/keyless.key");
    const missing = `${key} is not there: make it with 'issuer csr keyless' first.`;
    await expectRefused("FILE_UNREADABLE", missing, ...install("keyless"));
    const wrong = ["--password-file", file];
    const message = "The key does not open with this password.";
    await expectRefused("PASSWORD_WRONG", message, ...install("wanted", ...wrong));
    expect(await admin(server.home, ...install("wanted"))).toMatchObject({ name: "wanted", servers: 1 });
  });
});

test("all are listed and shown, the root as what it is", async () => {
  const listed = await here("issuer", "list");
  expect(listed.stdout).toMatch(/^ISSUER +ROLE +STATUS +KEY +ENDS +ID\n/);
  const names = listed.stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 2).join());
  const issuing = ["again", "branch", "default", "ml-dsa-65", "wanted"].map((name) => `${name},issuing`);
  expect(names.sort()).toEqual(["", "ISSUER,ROLE", ...issuing, "root,root"].sort());
  expect(await admin(server.home, "issuer", "show", "branch")).toMatchObject({
    ...{ name: "branch", role: "issuing", status: "active", keyType: "ec-p384", nearEnd: false, live: 0 },
    certificate: readFileSync(inHome("certs/issuers/branch.crt"), "latin1"),
  });
  await expectRefused("NOT_FOUND", "There is no issuing CA 'root'.", "issuer", "show", "root");
});
