import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type TestCredential, enrolled } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { type Ran, countersign, run, runOk, script } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
let issuerId: string;
let rootId: string;
beforeAll(async () => {
  [issuerId, rootId] = await Promise.all([keyIdOf("issuer.crt"), keyIdOf("root.crt")]);
});

async function keyIdOf(file: string): Promise<string> {
  const path = join(server.home, "certs", file);
  const text = await runOk("openssl", ["x509", "-in", path, "-noout", "-ext", "subjectKeyIdentifier"]);
  return (/([0-9A-F]{2}:){19}[0-9A-F]{2}/.exec(text)?.[0] ?? "").replaceAll(":", "").toLowerCase();
}

/** `openssl verify -crl_check_all` with the CRLs given. */
function verify(credential: TestCredential, crls: string): Promise<Ran> {
  const file = server.workspace.file("verified.crt");
  writeFileSync(file, credential.cert);
  const args = ["-crl_check_all", "-CAfile", server.root, "-untrusted", file, "-CRLfile", crls];
  return run("openssl", ["verify", "-x509_strict", ...args, file]);
}

async function fetched(
  path: string,
): Promise<{ status: number; type: string; bytes: Buffer; headers: Headers }> {
  const response = await fetch(server.public + path);
  const bytes = Buffer.from(await response.arrayBuffer());
  const { status, headers } = response;
  return { status, type: headers.get("content-type") ?? "", bytes, headers };
}

test("openssl rejects the revoked and accepts the others, with the published CRLs", async () => {
  const [good, bad, held] = [
    await enrolled(server, await server.token("acme")),
    await enrolled(server, await server.token("acme")),
    await enrolled(server, await server.token("paused")),
  ] as const;
  await server.admin("revoke", bad.serial, "--reason", "keyCompromise");
  await server.admin("account", "suspend", "paused");
  const out = server.workspace.file("crls");
  const published = await script("publish-crl", ["--out", out, "--home", server.home]);
  expect(published).toMatchObject({ code: 0, stderr: "" });

  const all = join(out, "all.pem");
  expect((await verify(good, all)).code).toBe(0);
  const revoked = await verify(bad, all);
  expect(revoked.code).not.toBe(0);
  expect(revoked.stdout + revoked.stderr).toContain("certificate revoked");
  expect((await verify(held, all)).code).not.toBe(0);
  expect((await verify(good, join(out, `${issuerId}.pem`))).code).not.toBe(0); // the root's is needed too

  const text = await runOk("openssl", [
    "crl",
    "-in",
    join(out, `${issuerId}.crl`),
    "-inform",
    "DER",
    "-noout",
    "-text",
  ]);
  expect(text).toMatch(/X509v3 CRL Number: \n +\d+\n/);
  expect(text).toMatch(/X509v3 Authority Key Identifier: \n +[0-9A-F:]{59}\n/);
  const entry = (serial: string): string =>
    new RegExp(`Serial Number: 0?${serial}\n[^]*?(?=Serial|Signature)`, "i").exec(text)?.[0] ?? "";
  expect(entry(bad.serial)).toContain("Key Compromise");
  expect(entry(held.serial)).toContain("Certificate Hold");
  expect(entry(good.serial)).toBe("");
  await server.admin("account", "resume", "paused");
});

test("crl publish replaces what is no file where it writes, and neither waits for it nor writes through it", async () => {
  const out = server.workspace.file("odd");
  const elsewhere = server.workspace.file("elsewhere");
  writeFileSync(elsewhere, "not a CRL");
  mkdirSync(out);
  const [der, pem, delta, all] = [`${issuerId}.crl`, `${issuerId}.pem`, `${issuerId}-delta.crl`, "all.pem"];
  await runOk("mkfifo", [join(out, der), join(out, all)]);
  symlinkSync(elsewhere, join(out, pem));
  symlinkSync(server.workspace.file("nowhere"), join(out, delta));
  const publish = (...args: string[]) =>
    countersign(["crl", "publish", "--out", out, "--home", server.home, ...args], { timeout: 100_000 });
  expect(await publish()).toMatchObject({ code: 0, stderr: "" });
  for (const name of [der, pem, delta, all]) expect(lstatSync(join(out, name)).isFile(), name).toBe(true);
  expect(readFileSync(elsewhere, "latin1")).toBe("not a CRL");
  expect(existsSync(server.workspace.file("nowhere"))).toBe(false);

  // A link to the very octets is a link still: whoever may write there could change them.
  renameSync(join(out, der), elsewhere);
  symlinkSync(elsewhere, join(out, der));
  const again = await publish("--due", "--json");
  expect(JSON.parse(again.stdout)).toMatchObject({ changed: true });
  expect(lstatSync(join(out, der)).isFile()).toBe(true);
  expect(JSON.parse((await publish("--due", "--json")).stdout)).toMatchObject({ changed: false });

  rmSync(join(out, all));
  mkdirSync(join(out, all));
  const refused = await publish();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`${join(out, all)} cannot be written. (FILE_UNREADABLE)`);

  const onFile = await countersign(["crl", "publish", "--out", elsewhere, "--home", server.home]);
  expect(onFile.code).toBe(1);
  expect(onFile.stderr).toContain(
    `${elsewhere} is not a folder, and none can be made there. (FILE_UNREADABLE)`,
  );
});

test("the server publishes by itself after a revocation, and its own copy tells", async () => {
  const credential = await enrolled(server, await server.token("acme"));
  const file = server.workspace.file("served.pem");
  await server.admin("revoke", credential.fingerprint);
  await eventually(async () => {
    const crls = await Promise.all([fetched(`/crl/${issuerId}.pem`), fetched(`/crl/${rootId}.pem`)]);
    writeFileSync(file, Buffer.concat(crls.map(({ bytes }) => bytes)));
    expect((await verify(credential, file)).stdout + (await verify(credential, file)).stderr).toContain(
      "revoked",
    );
  });
});

describe("the public listener", () => {
  test("serves a CRL in DER and PEM, to be cached", async () => {
    const der = await fetched(`/crl/${issuerId}.crl`);
    expect(der).toMatchObject({ status: 200, type: "application/pkix-crl" });
    expect(der.headers.get("cache-control")).toMatch(/^public, max-age=\d+$/);
    const pem = await fetched(`/crl/${issuerId}.pem`);
    expect(pem.bytes.toString()).toMatch(/^-----BEGIN X509 CRL-----\n/);
  });

  test("serves the issuer's certificate as AIA names it", async () => {
    const { status, type, bytes } = await fetched(`/issuers/${issuerId}.crt`);
    expect({ status, type }).toEqual({ status: 200, type: "application/pkix-cert" });
    const pem = await runOk("openssl", ["x509", "-inform", "DER"], { input: bytes });
    expect(pem.trim()).toBe(readFileSync(join(server.home, "certs", "issuer.crt"), "latin1").trim());
  });

  test.each([
    ["/crl/0000000000000000000000000000000000000000.crl", 404],
    ["/crl/..%2f..%2fsecrets%2fpassword.crl", 404],
    ["/crl/issuer.txt", 404],
    ["/issuers/x.crt", 404],
    ["/secrets/password", 404],
    ["/healthz", 200],
    ["/readyz", 200],
  ])("%s: %i", async (path, status) => {
    expect((await fetched(path)).status).toBe(status);
  });

  test("the root's CRL is good for a year, and needs no root key", async () => {
    const { bytes } = await fetched(`/crl/${rootId}.crl`);
    const text = await runOk("openssl", ["crl", "-inform", "DER", "-noout", "-lastupdate", "-nextupdate"], {
      input: bytes,
    });
    const [from = 0, to = 0] = [...text.matchAll(/=(.*)/g)].map(([, date]) => Date.parse(date ?? ""));
    expect((to - from) / 86_400_000).toBe(365);
  });
});
