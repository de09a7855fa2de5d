import { X509Certificate } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { formatTime } from "../../src/domain/time.ts";
import { readCrl } from "../../src/x509/crl-reader.ts";
import { type TestCredential, call, enrolled, freshRequest, requestCertificate } from "../support/client.ts";
import { admin, command } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { changeProfile, modeOf, reload } from "../support/rollover.ts";
import { serveHome, sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

const nearEnd = "less than a third of this CA's life is left: make the next one";

const server = sharedServer();
const here = (...args: string[]) => command([...args, "--home", server.home]);
const certificatePath = (name: string) => join(server.home, "certs", "issuers", `${name}.crt`);
const certificateOf = (name: string) => new X509Certificate(readFileSync(certificatePath(name)));
const signerOf = ({ cert }: TestCredential) => new X509Certificate(cert).issuer;
const byDefault = "CN=Countersign Issuing CA";
const byEdge = "CN=Countersign Issuing CA edge";

let tokens: string[];
/** The identifier of 'edge', and a credential that it signed. */
let edge: string;
let old: TestCredential;
beforeAll(async () => {
  edge = String((await admin(server.home, "issuer", "create", "edge"))["id"]);
  // Before the profiles are changed: making a token reads them too.
  tokens = await makeTokens(server.home, "acme", 8);
});

const enrol = () => enrolled(server, tokens.pop() ?? "");
const whoami = ({ key, cert, ca }: TestCredential) =>
  call(`${server.enforce}/whoami`, { tls: { key, cert, ca } });

async function crlOfEdge() {
  const response = await fetch(`${server.public}/crl/${edge}.crl`);
  expect(response.status).toBe(200);
  return readCrl(Buffer.from(await response.arrayBuffer()), certificateOf("edge").raw);
}

test("signs for the profiles that name it, from SIGHUP on", async () => {
  changeProfile(server.home, "client", { issuer: "edge" });
  expect(signerOf(await enrol())).toBe(byDefault);
  expect(await reload(server)).toContain("the profiles were read again");
  old = await enrol();
  expect(signerOf(old)).toBe(byEdge);
  expect((await whoami(old)).json).toMatchObject({ account: "acme", fingerprint: old.fingerprint });
});

test("is not retired while a profile names it", async () => {
  const before = snapshot(server.home);
  const ran = await here("issuer", "retire", "edge");
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  const message = "These profiles still name 'edge': client. Change them first.";
  expect(ran.stderr).toBe(`countersign: ${message} (ISSUER_NEEDED)\n`);
  expect(snapshot(server.home)).toEqual(before);
});

describe("once it is retired", () => {
  test("signs nothing, even before the server has read the changed profile; no token is lost by that", async () => {
    changeProfile(server.home, "client", { issuer: "default" });
    const ran = await here("issuer", "retire", "edge");
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toBe("Issuing CA edge retired. Applied by 1 server; 0 connections closed.\n");
    const [token, { csr }] = [tokens.pop(), await freshRequest()];
    const refused = await requestCertificate(server, token, { csr });
    const detail = "Nobody signs for this profile right now.";
    expect(refused.json).toMatchObject({ status: 503, code: "UNAVAILABLE", detail });
    await reload(server);
    const taken = await requestCertificate(server, token, { csr });
    expect(taken.status).toBe(201);
    expect(new X509Certificate(String(taken.json["certificate"])).issuer).toBe(byDefault);
  });

  test("cannot be named by a profile again: SIGHUP leaves the old ones, and the log says why", async () => {
    changeProfile(server.home, "client", { issuer: "edge", life: { default: "1h", max: "1h" } });
    const said = await reload(server);
    expect(said).toContain("the profiles were not read again: the old ones stay");
    expect(said).toContain("client.json: issuer 'edge' is retired");
    expect(signerOf(await enrol())).toBe(byDefault);
    const before = snapshot(server.home);
    const file = server.workspace.file("new.csr");
    writeFileSync(file, (await freshRequest()).csr);
    const signed = await here("sign", file, "--account", "acme");
    expect(signed).toMatchObject({ code: 1, stdout: "" });
    const message = "The profiles are not valid: client.json: issuer 'edge' is retired.";
    expect(signed.stderr).toBe(`countersign: ${message} (CONFIG_INVALID)\n`);
    expect(snapshot(server.home)).toEqual(before);
    changeProfile(server.home, "client", { issuer: "default", life: { default: "24h", max: "90d" } });
  });

  test("has its certificates go on working, and its CRL renewed and served", async () => {
    expect((await whoami(old)).status).toBe(200);
    const { number } = await crlOfEdge();
    const published = (await admin(server.home, "crl", "publish")) as {
      crls: { issuer: string; number: number }[];
    };
    const its = published.crls.find(({ issuer }) => issuer === edge)?.number;
    expect(its).toBe(number + 1);
    await eventually(async () => {
      expect(await crlOfEdge()).toMatchObject({ number: its, entries: [] });
    });
    await admin(server.home, "revoke", old.fingerprint, "--reason", "superseded");
    expect((await whoami(old)).json).toMatchObject({ status: 403, code: "CERT_REVOKED" });
    await eventually(async () => {
      expect((await crlOfEdge()).entries).toMatchObject([{ serial: old.serial, reason: 4 }]);
    });
  });

  test("is listed as retired, and not retired again", async () => {
    expect(await admin(server.home, "issuer", "show", "edge")).toMatchObject({ status: "retired", live: 1 });
    const again = await here("issuer", "retire", "edge");
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toBe("countersign: 'edge' is retired already. (STATE_UNCHANGED)\n");
  });
});

describe("after a restart", () => {
  beforeAll(async () => {
    await admin(server.home, "issuer", "create", "hourly", "--life", "1h");
    // With the hour that it is backdated by, a quarter of its life is left.
    await admin(server.home, "issuer", "create", "short", "--life", "20m");
    await server.stop();
    expect(server.log()).not.toContain(nearEnd);
    files = ["edge", "hourly"].map((name) => readFileSync(certificatePath(name), "latin1"));
    for (const name of ["edge", "hourly"]) rmSync(certificatePath(name));
    Object.assign(server, await serveHome(server.workspace));
  });
  let files: string[];

  test("a certificate's file that a crash came before is there, a retired one's too", () => {
    const paths = ["edge", "hourly"].map(certificatePath);
    expect(paths.map((path) => readFileSync(path, "latin1"))).toEqual(files);
    expect(paths.map(modeOf)).toEqual(["644", "644"]);
  });

  test("the log warns of the one that has less than a third of its life left, and of no other", async () => {
    const lines = server
      .log()
      .split("\n")
      .filter((line) => line.includes(nearEnd));
    const notAfter = formatTime(certificateOf("short").validToDate.getTime());
    const warnings = lines.map((line) => JSON.parse(line) as object);
    expect(warnings).toMatchObject([{ level: 40, issuer: "short", notAfter, msg: nearEnd }]);
    const listed = await here("issuer", "list");
    expect(listed.stdout).toMatch(/^short +issuing +active, near its end +ec-p256 /m);
    expect(listed.stdout.match(/near its end/g)).toHaveLength(1);
    expect((await here("issuer", "show", "short")).stdout).toMatch(
      /^Status: +active; a third of its life or less is left$/m,
    );
  });

  test("no certificate outlives its issuer, whatever the profile says or the client asks for", async () => {
    changeProfile(server.home, "client", { issuer: "hourly" });
    await reload(server);
    const end = certificateOf("hourly").validToDate;
    const { cert } = await enrol();
    expect(new X509Certificate(cert).validToDate).toEqual(end);
    const { csr } = await freshRequest();
    const token = tokens.pop();
    const beyond = formatTime(end.getTime() + 1000);
    const refused = await requestCertificate(server, token, { csr, notAfter: beyond });
    const detail = `notAfter is beyond the limit, ${formatTime(end.getTime())}.`;
    expect(refused.json).toMatchObject({ status: 400, code: "VALIDITY_INVALID", detail });
    const taken = await requestCertificate(server, token, { csr, notAfter: formatTime(end.getTime()) });
    expect(taken.json).toMatchObject({ notAfter: formatTime(end.getTime()) });
  });
});
