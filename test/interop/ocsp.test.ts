import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { type Serial, parseSerial } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { revocationReasons } from "../../src/domain/revocation.ts";
import { openState } from "../../src/home/open.ts";
import { issuerIdOf } from "../../src/x509/codec.ts";
import { fromPem, toPem } from "../../src/x509/pem.ts";
import { enrolled } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { opensslPq, requireOpensslPq } from "../support/openssl-pq.ts";
import { certId, named, readSigned, requestOf } from "../support/ocsp.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { changeProfile, enrolledWith, reload } from "../support/rollover.ts";
import { type Ran, run, runOk } from "../support/run.ts";
import { serveHome, sharedServer } from "../support/server.ts";
import { putCertificate } from "../storage/records.ts";

const server = sharedServer();
let issuerFile: string;
let tokens: string[];
beforeAll(async () => {
  issuerFile = join(server.home, "certs/issuer.crt");
  tokens = await makeTokens(server.home, "acme", 8);
});

const derOf = (path: string): Uint8Array =>
  fromPem(readFileSync(path, "latin1"), ["CERTIFICATE"]) ?? new Uint8Array();
const fresh = async () => enrolled(server, tokens.pop() ?? "");
let files = 0;
const file = (content: string | Uint8Array): string => {
  const path = server.workspace.file(`ocsp-${String(files++)}`);
  writeFileSync(path, content);
  return path;
};

/** `openssl ocsp`, which asks, and verifies what it is answered with the root alone. */
function ask(
  args: readonly string[],
  from: { public: string; root: string } = server,
  program = "openssl",
): Promise<Ran> {
  return run(program, ["ocsp", ...args, "-url", `${from.public}/ocsp`, "-CAfile", from.root]);
}

/** What it says of each that was named, in their order. */
async function said(...args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await ask(["-issuer", issuerFile, ...args]);
  expect(stderr).toContain("Response verify OK");
  expect(stderr).not.toContain("WARNING: no nonce");
  expect(code).toBe(0);
  const each = /^\S+: (\w+)\n(?:\t(?!Reason).*\n)*(?:\tReason: (\S+)\n)?/gm;
  return [...stdout.matchAll(each)].map(([, status = "", reason]) =>
    reason === undefined
      ? status
      : `${status} ${reason.replace(/^(privilegeWithdrawn|AACompromise)$/, "(UNKNOWN)")}`,
  );
}

test("openssl is told of a certificate from its enrolment to its end, at once and verifiably", async () => {
  const { cert, serial } = await fresh();
  const path = file(cert);
  const asked = (): Promise<string[]> => said("-cert", path);
  expect(await asked()).toEqual(["good"]);
  await admin(server.home, "suspend", serial);
  expect(await asked()).toEqual(["revoked certificateHold"]);
  await admin(server.home, "resume", serial);
  expect(await asked()).toEqual(["good"]);
  await admin(server.home, "account", "suspend", "acme");
  expect(await asked()).toEqual(["revoked certificateHold"]);
  await admin(server.home, "account", "resume", "acme");
  expect(await asked()).toEqual(["good"]);
  await admin(server.home, "revoke", serial, "--reason", "keyCompromise");
  expect(await asked()).toEqual(["revoked keyCompromise"]);
});

test("openssl is told of several at once, by SHA-1 and SHA-256, and of unknown ones", async () => {
  const [one, other] = [file((await fresh()).cert), file((await fresh()).cert)];
  for (const nonce of [[], ["-no_nonce"]]) {
    const several = ["-cert", one, "-sha256", "-cert", other, "-serial", "0x00ff00", "-serial", "0x7f"];
    const { stdout, stderr } = await ask(["-issuer", issuerFile, ...nonce, ...several]);
    expect(stderr).toContain("Response verify OK");
    expect(stdout.match(/: \w+$/gm)).toEqual([": good", ": good", ": unknown", ": unknown"]);
  }
});

test("openssl agrees with the record in every state, whatever the serial number looks like", async () => {
  const database = await openState(resolveConfig(server.home, {}, {}, readConfigFile(server.home)));
  const issuer = issuerIdOf(derOf(issuerFile));
  const [active, paused] = [await database.accounts.bySlug(parseSlug("acme")), await pausedAccount()];
  async function pausedAccount() {
    await admin(server.home, "account", "create", "paused");
    await admin(server.home, "account", "suspend", "paused");
    return database.accounts.bySlug(parseSlug("paused"));
  }
  const shapes = ["7f", "80", "ff", "0100", "8001", "ff".repeat(16), `80${"00".repeat(18)}`, "7f".repeat(20)];
  const statusAt = Date.parse("2026-01-02T03:04:05Z");
  const states: readonly (readonly [Partial<CertificateRecord>, string])[] = [
    [{}, "good"],
    [{ status: "suspended", statusAt }, "revoked certificateHold"],
    ...Object.entries(revocationReasons).map(([reason, code]) => {
      const as = { status: "revoked", statusAt, reason } as Partial<CertificateRecord>;
      // OpenSSL 3.0 has no names for 9 and 10; the numbers are read below.
      const name = code > 8 ? "(UNKNOWN)" : reason;
      return [as, code === 0 ? "revoked" : `revoked ${name}`] as const;
    }),
  ];
  const ca = named(derOf(issuerFile));
  try {
    const meant: [Serial, string][] = [];
    const put = async (shape: string, as: Partial<CertificateRecord>, account = active): Promise<Serial> => {
      const serial = parseSerial(shape);
      await putCertificate(database, issuer, account, { ...as, serial });
      return serial;
    };
    for (const [index, [as, status]] of states.entries()) {
      for (const top of ["1f", "9f"]) {
        const tail = randomBytes(14).toString("hex");
        const serial = await put(`${top}${index.toString(16).padStart(2, "0")}${tail}`, as);
        meant.push([serial, status]);
        if (as.reason === undefined) continue;
        const number = revocationReasons[as.reason];
        expect(readSigned(await got(requestOf([certId(ca, serial)]))).singles[0]?.status).toEqual({
          at: new Date(statusAt).toISOString(),
          reason: number === 0 ? undefined : number,
        });
      }
    }
    for (const shape of shapes) meant.push([await put(shape, {}), "good"]);
    meant.push([await put(`a0${randomBytes(14).toString("hex")}`, {}, paused), "revoked certificateHold"]);
    for (let from = 0; from < meant.length; from += 30) {
      const part = meant.slice(from, from + 30);
      const answers = await said(...part.flatMap(([serial]) => ["-serial", `0x${serial}`]));
      expect(answers).toEqual(part.map(([, status]) => status));
    }
  } finally {
    await database.close();
  }
});

test("the revocation's time is told to the second", async () => {
  const { cert, serial } = await fresh();
  await admin(server.home, "revoke", serial);
  const { status } =
    readSigned(await got(requestOf([certId(named(derOf(issuerFile)), serial)]))).singles[0] ?? {};
  const { stdout } = await ask(["-issuer", issuerFile, "-cert", file(cert)]);
  const time = Date.parse(/Revocation Time: (.*)/.exec(stdout)?.[1] ?? "");
  expect(status).toEqual({ at: new Date(time).toISOString(), reason: undefined });
});

async function got(request: Buffer): Promise<Buffer> {
  const path = file("");
  const url = `${server.public}/ocsp/${encodeURIComponent(request.toString("base64"))}`;
  await runOk("curl", ["-sSf", "-o", path, url]);
  return readFileSync(path);
}

test("curl gets an answer by GET that openssl verifies, and which tells caches how long", async () => {
  const [asked, answer, cert] = [file(""), file(""), file((await fresh()).cert)];
  const about = ["-issuer", issuerFile, "-cert", cert, "-no_nonce"];
  await runOk("openssl", ["ocsp", ...about, "-reqout", asked]);
  const path = encodeURIComponent(readFileSync(asked).toString("base64"));
  const head = await runOk("curl", ["-sS", "-D", "-", "-o", answer, `${server.public}/ocsp/${path}`]);
  expect(head).toMatch(/^HTTP\/1\.1 200 .*\r\n(.*\r\n)*Content-Type: application\/ocsp-response\r\n/);
  expect(head).toMatch(/\r\nCache-Control: max-age=60, public, no-transform, must-revalidate\r\n/);
  const read = await run("openssl", ["ocsp", ...about, "-respin", answer, "-CAfile", server.root]);
  expect(read.stderr).toContain("Response verify OK");
  expect(read.stdout).toContain(": good\n");
});

test("openssl is not answered about another CA's certificates, the root's among them", async () => {
  const other = server.workspace.file("other.crt");
  const made = [
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-subj",
    "/CN=other",
  ];
  await runOk("openssl", ["req", ...made, "-keyout", server.workspace.file("other.key"), "-out", other]);
  for (const issuer of [other, server.root]) {
    const { code, stdout, stderr } = await ask(["-issuer", issuer, "-serial", "0x1"]);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain("Responder Error: unauthorized (6)");
  }
});

test("openssl takes the responder's certificate for one, and it is on record", async () => {
  const der = await got(requestOf([certId(named(derOf(issuerFile)), "1")]));
  const responder = file(toPem("CERTIFICATE", readSigned(der).certificate));
  const chain = ["-x509_strict", "-CAfile", server.root, "-untrusted", issuerFile];
  expect(await runOk("openssl", ["verify", "-purpose", "ocsphelper", ...chain, responder])).toContain("OK");
  expect((await run("openssl", ["verify", "-purpose", "sslclient", ...chain, responder])).code).not.toBe(0);
  const text = await runOk("openssl", ["x509", "-in", responder, "-noout", "-text"]);
  expect(text).toMatch(/Extended Key Usage: \n +OCSP Signing\n/);
  expect(text).toContain("OCSP No Check");
  expect(await admin(server.home, "show", responder)).toMatchObject({
    profile: "ocsp-responder",
    status: "active",
  });
});

describe("an issuing CA", () => {
  test("with ML-DSA is answered for with ML-DSA", async (context) => {
    await admin(server.home, "issuer", "create", "pq", "--key-type", "ml-dsa-65");
    changeProfile(server.home, "client", { issuer: "pq", keyTypes: ["ml-dsa-65"] });
    await reload(server);
    const { cert, serial } = await enrolledWith(server, tokens.pop() ?? "", "ml-dsa-65");
    changeProfile(server.home, "client", { issuer: "default", keyTypes: ["ec-p256"] });
    await reload(server);
    const pq = join(server.home, "certs/issuers/pq.crt");
    const request = requestOf([certId(named(derOf(pq)), serial)]);
    expect(readSigned(await got(request))).toMatchObject({ isSigned: true, singles: [{ status: "good" }] });
    requireOpensslPq(context);
    const judged = await ask(["-issuer", pq, "-cert", file(cert)], server, opensslPq);
    expect(judged.stderr).toContain("Response verify OK");
    expect(judged.stdout).toContain(": good\n");
  });

  test("that is retired is answered for, also after a restart", async () => {
    await admin(server.home, "issuer", "create", "old");
    changeProfile(server.home, "client", { issuer: "old" });
    await reload(server);
    const { cert, serial } = await fresh();
    changeProfile(server.home, "client", { issuer: "default" });
    await admin(server.home, "issuer", "retire", "old");
    const old = join(server.home, "certs/issuers/old.crt");
    const about = ["-issuer", old, "-cert", file(cert)];
    const first = await ask(about);
    expect(first.stdout + first.stderr).toContain(": good");
    await server.stop();
    Object.assign(server, await serveHome(server.workspace));
    await admin(server.home, "revoke", serial, "--reason", "superseded");
    const second = await ask(about);
    expect(second.stderr).toContain("Response verify OK");
    expect(second.stdout).toMatch(/: revoked\n(\t.*\n)*\tReason: superseded\n/);
  });
});
