import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { codec, issuerIdOf } from "../../src/x509/codec.ts";
import { toPem } from "../../src/x509/pem.ts";
import { freshRequest } from "../support/client.ts";
import { admin, command } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { makeIssuer, testNow } from "../support/fixtures-issuer.ts";
import { filesBelow, modeOf } from "../support/rollover.ts";
import { type Ran, countersign, runOk } from "../support/run.ts";
import { serveHome, sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

const warning =
  "the root key is still here: take it and its password offline, with 'countersign root move --to DIR'";
const publicUrl = "http://ca.example.internal:8080";

const server = sharedServer({ init: ["--public-url", publicUrl] });
let rootId: string;
beforeAll(() => {
  rootId = issuerIdOf(new X509Certificate(readFileSync(server.root)).raw);
});

const here = (...args: string[]) => command([...args, "--home", server.home]);
const offline = (name = "") => server.workspace.file(join("medium", name));
const journal = (): Record<string, unknown>[] => {
  const lines = readFileSync(offline("root.issued.jsonl"), "latin1").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
};

/** Runs `root …` with the moved root, where there is no home, not even `./ca`. */
function atRoot(args: readonly string[], { input = "" } = {}): Promise<Ran> {
  const cwd = server.workspace.file("elsewhere");
  mkdirSync(cwd, { recursive: true });
  const env = { ...process.env, COUNTERSIGN_HOME: join(cwd, "nowhere") };
  return countersign(["root", ...args, "--root", offline()], { cwd, env, input });
}

const numberOf = (crl: string): Promise<string> =>
  runOk("openssl", ["crl", "-noout", "-crlnumber"], { input: crl });

test("leaves the home with its password, its journal and its CRL, for a folder of its owner's alone", async () => {
  expect(server.log()).toContain(warning);
  const key = readFileSync(join(server.home, "secrets/root.key"));
  const signed = await here("root", "sign-crl", "--out", server.workspace.file("second.pem"));
  expect(signed.stdout).toMatch(/second\.pem: CRL 2, published, valid to \S+Z\.\n$/);
  expect(modeOf(join(server.home, "secrets/root.issued.jsonl"))).toBe("600");

  const ran = await here("root", "move", "--to", offline());
  const head = `The root is in ${offline()} now, and no longer in the home. Keep a copy, offline:\n`;
  const names = ["root.json", "root.crt", "root.crl", "root.issued.jsonl", "root.password", "root.key"];
  const files = names.map((name) => join(server.workspace.path, "medium", name));
  expect(ran).toMatchObject({ code: 0, stderr: "", stdout: `${head}${files.join("\n")}\n` });
  expect(modeOf(offline())).toBe("700");
  expect(files.map(modeOf)).toEqual(["644", "644", "644", "600", "600", "600"]);
  expect(readFileSync(offline("root.key"))).toEqual(key);
  expect(readFileSync(offline("root.crl"))).toEqual(readFileSync(server.workspace.file("second.pem")));
  expect(Object.keys(filesBelow(join(server.home, "secrets"))).sort()).toEqual(
    ["issuer.key", "password", "server.key"].map((name) => join(server.home, "secrets", name)),
  );
  expect(existsSync(server.root)).toBe(true);
});

test("is not moved again, and signs nothing from the home any more", async () => {
  const files = filesBelow(server.home);
  const key = join(server.home, "secrets/root.key");
  const hint = "If the root key was moved, say where with --root DIR, or sign there.";
  for (const [message, ...args] of [
    [`${key} is not there: the root key was moved before.`, "root", "move", "--to", offline("2")],
    [`${key} is not there. ${hint}`, "root", "sign-crl"],
    [`${key} is not there. ${hint}`, "issuer", "create", "late"],
  ] as const) {
    const ran = await here(...args);
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toBe(`countersign: ${message} (FILE_UNREADABLE)\n`);
  }
  expect(Object.keys(filesBelow(server.home))).toEqual(Object.keys(files));
});

test("signs an issuing CA where there is no home, and the journal tells", async () => {
  const { csr } = await admin(server.home, "issuer", "csr", "edge");
  const out = server.workspace.file("edge.crt");
  const args = ["sign-issuer", "-", "--name", "edge", "--life", "30d", "--out", out];
  const signed = await atRoot(args, { input: String(csr) });
  expect(signed).toMatchObject({ code: 0, stderr: "" });
  expect(await runOk("openssl", ["verify", "-x509_strict", "-CAfile", server.root, out])).toBe(
    `${out}: OK\n`,
  );
  const text = await runOk("openssl", ["x509", "-in", out, "-noout", "-ext", "crlDistributionPoints"]);
  expect(text).toContain(`URI:${publicUrl}/crl/${rootId}.crl\n`);
  const { serialNumber, validToDate } = new X509Certificate(readFileSync(out));
  const notAfter = validToDate.toISOString().replace(".000Z", "Z");
  const { spkiHash: spki } = codec.parseRequest(Buffer.from(String(csr)));
  const serial = serialNumber.toLowerCase().replace(/^0/, "");
  const commonName = "Countersign Issuing CA edge";
  expect(journal().slice(1)).toMatchObject([
    { signs: "issuer", name: "edge", commonName, serial, spki, notAfter },
  ]);
  expect(await admin(server.home, "issuer", "install", "edge", out)).toMatchObject({
    name: "edge",
    servers: 1,
  });
});

test("makes an issuing CA in the home, when the home is told where the root is", async () => {
  const made = await admin(server.home, "issuer", "create", "direct", "--root", offline());
  expect(made).toMatchObject({ name: "direct", servers: 1 });
  expect(journal().slice(2)).toMatchObject([{ signs: "issuer", name: "direct" }]);
});

describe("a CRL that the moved root signs", () => {
  const crl = (number: number) => server.workspace.file(`root-${String(number)}.pem`);

  test("is numbered on from the one before", async () => {
    const third = await atRoot(["sign-crl", "--life", "90d"]);
    expect(third).toMatchObject({ code: 0, stderr: "" });
    writeFileSync(crl(3), third.stdout);
    const password = readFileSync(offline("root.password"), "latin1");
    renameSync(offline("root.password"), server.workspace.file("kept.password"));
    const args = ["sign-crl", "--root-password-file", "-", "--out", crl(4)];
    const fourth = await atRoot(args, { input: password });
    renameSync(server.workspace.file("kept.password"), offline("root.password"));
    expect(fourth.stdout).toMatch(/root-4\.pem: CRL 4, for 'crl install', valid to \S+Z\.\n$/);
    const [three, four] = [readFileSync(crl(3), "latin1"), readFileSync(crl(4), "latin1")];
    expect([await numberOf(three), await numberOf(four)]).toEqual(["crlNumber=0x03\n", "crlNumber=0x04\n"]);
    expect(readFileSync(offline("root.crl"), "latin1")).toBe(four);
    expect(journal().slice(3)).toMatchObject([
      { signs: "crl", number: 3 },
      { signs: "crl", number: 4 },
    ]);
  });

  test("is installed in the home, and served", async () => {
    const ran = await here("crl", "install", crl(4));
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toMatch(new RegExp(`^CRL 4 of ${rootId}, valid to \\S+Z\\.\n$`));
    await eventually(async () => {
      const served = await (await fetch(`${server.public}/crl/${rootId}.pem`)).text();
      expect(served).toBe(readFileSync(crl(4), "latin1"));
    });
  });

  test("makes openssl accept what the home has issued, with every CRL of the chain", async () => {
    const out = server.workspace.file("crls");
    await admin(server.home, "crl", "publish", "--out", out);
    const leaf = join(server.home, "certs/server.crt");
    const args = ["-x509_strict", "-crl_check_all", "-CAfile", server.root, "-untrusted", leaf];
    const crls = ["-CRLfile", join(out, "all.pem")];
    expect(await runOk("openssl", ["verify", ...args, ...crls, leaf])).toBe(`${leaf}: OK\n`);
    expect(readFileSync(join(out, `${rootId}.pem`), "latin1")).toBe(readFileSync(crl(4), "latin1"));
  });

  const lower = (number: number) => `its number, ${String(number)}, is not above 4`;
  test.each<[string, string, () => Uint8Array | Promise<Uint8Array>]>([
    [
      "of a lower number",
      `The CRL cannot be used: ${lower(3)}. Nothing was changed.`,
      () => readFileSync(crl(3)),
    ],
    [
      "of the same number",
      `The CRL cannot be used: ${lower(4)}. Nothing was changed.`,
      () => readFileSync(crl(4)),
    ],
    ["of another root", "This is no CRL of the root: its issuer did not sign it.", ofAnotherRoot],
    [
      "that is none",
      "This is no CRL of the root: it is not one CRL in PEM or DER.",
      () => Buffer.from("hello"),
    ],
  ])("is refused when it is one %s, and nothing changes", async (_name, message, make) => {
    const file = server.workspace.file("offered.pem");
    writeFileSync(file, await make());
    const before = snapshot(server.home);
    const ran = await here("crl", "install", file);
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toBe(`countersign: ${message} (CRL_INVALID)\n`);
    expect(snapshot(server.home)).toEqual(before);
    const served = await (await fetch(`${server.public}/crl/${rootId}.pem`)).text();
    expect(served).toBe(readFileSync(crl(4), "latin1"));
  });

  async function ofAnotherRoot(): Promise<Uint8Array> {
    const { issuer } = await makeIssuer("ec-p256", { commonName: "Countersign Root CA" });
    const life = { thisUpdate: testNow - HOUR, nextUpdate: testNow + DAY };
    const der = await codec.signCrl(issuer, { number: 5, ...life, entries: [] });
    return Buffer.from(toPem("X509 CRL", der));
  }
});

describe("the moved root signs nothing, and keeps what it has", () => {
  /** Runs it, and checks that there is nothing new. */
  async function expectRefused(code: string, message: string, ...args: string[]): Promise<void> {
    const out = server.workspace.file("unsigned");
    const before = filesBelow(offline());
    const ran = await command(["root", ...args, "--root", offline(), "--out", out]);
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(ran.stderr).toContain(`countersign: ${message} (${code})\n`);
    expect(filesBelow(offline())).toEqual(before);
    expect(existsSync(out)).toBe(false);
  }

  test("with a wrong password", async () => {
    const wrong = ["--root-password-file", offline("root.json")];
    await expectRefused("PASSWORD_WRONG", "The key does not open with this password.", "sign-crl", ...wrong);
  });

  test("when its journal cannot be written", async () => {
    renameSync(offline("root.issued.jsonl"), offline("kept"));
    mkdirSync(offline("root.issued.jsonl"));
    const message = `${offline("root.issued.jsonl")} cannot be written.`;
    const csr = server.workspace.file("next.csr");
    writeFileSync(csr, (await freshRequest()).csr);
    await expectRefused("FILE_UNREADABLE", message, "sign-issuer", csr, "--name", "next");
    await expectRefused("FILE_UNREADABLE", message, "sign-crl");
    rmSync(offline("root.issued.jsonl"), { recursive: true });
    renameSync(offline("kept"), offline("root.issued.jsonl"));
  });
});

test("a server that starts without the root's key does not warn of it", async () => {
  await server.stop();
  Object.assign(server, await serveHome(server.workspace));
  expect(server.log()).not.toContain(warning);
});
