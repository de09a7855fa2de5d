import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { call, enrolled, freshRequest, requestCertificate } from "../support/client.ts";
import { command } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { countersign, run, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
beforeAll(async () => {
  const names = ["--dns", "db.example.internal,.apps.example.internal", "--server-ip", "127.0.0.0/8,::1/128"];
  await server.admin("account", "create", "db", ...names);
});

/** A CSR by openssl that asks for these names, and its key. */
async function asking(...names: string[]): Promise<{ key: string; csr: string }> {
  const key = server.workspace.file("server.key");
  const newkey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key];
  const san = ["-addext", `subjectAltName=${names.join(",")}`];
  const csr = await runOk("openssl", ["req", "-new", ...newkey, "-subj", "/CN=evil.example.org", ...san]);
  return { key: readFileSync(key, "latin1"), csr };
}

async function issued(
  profile: string,
  csr: string,
  account = "db",
): Promise<X509Certificate & { pem: string }> {
  const answer = await requestCertificate(server, await server.token(account, "--profile", profile), { csr });
  expect(answer.status, answer.text).toBe(201);
  const pem = String(answer.json["chain"]);
  return Object.assign(new X509Certificate(pem), { pem });
}

test("a server gets the names that its account has, of those that it asks for, and serves under them", async () => {
  const { key, csr } = await asking(
    "DNS:web.apps.example.internal",
    "DNS:evil.example.org",
    "IP:127.0.0.1",
    "IP:192.0.2.1",
    "DNS:DB.example.internal",
    "email:root@example.org",
    "URI:spiffe://countersign.internal/account/admin",
  );
  const certificate = await issued("server", csr);
  expect(certificate.subject).toBe("CN=db");
  expect(certificate.subjectAltName).toBe(
    "DNS:web.apps.example.internal, DNS:db.example.internal, " +
      "URI:spiffe://countersign.internal/account/db, IP Address:127.0.0.1",
  );
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  const life = certificate.validToDate.getTime() - certificate.validFromDate.getTime();
  expect(life).toBe((7 * 24 * 3600 + 60) * 1000);

  const service = createServer({ key, cert: certificate.pem }, (_request, response) => response.end("hello"));
  onTestFinished(() => void service.close());
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  const port = String((service.address() as AddressInfo).port);
  const curl = ["-sS", "--cacert", server.root, "--noproxy", "*"];
  expect(await runOk("curl", [...curl, `https://127.0.0.1:${port}/`])).toBe("hello");
  const named = (host: string): string[] => [
    "--resolve",
    `${host}:${port}:127.0.0.1`,
    `https://${host}:${port}/`,
  ];
  expect(await runOk("curl", [...curl, ...named("web.apps.example.internal")])).toBe("hello");
  expect((await run("curl", [...curl, ...named("evil.example.org")])).code).not.toBe(0);
});

test("a server whose account has no names gets none, whatever it asks for", async () => {
  await server.admin("account", "create", "nameless");
  const { csr } = await asking("DNS:localhost", "IP:127.0.0.1");
  const certificate = await issued("server", csr, "nameless");
  expect(certificate.subjectAltName).toBe("URI:spiffe://countersign.internal/account/nameless");
});

test("a server's certificate calls nobody: it is no client's", async () => {
  const { key, csr } = await asking("DNS:db.example.internal");
  const { pem } = await issued("server", csr);
  const tls = { key, cert: pem, ca: readFileSync(server.root) };
  const answer = await call(`${server.enforce}/whoami`, { tls });
  expect(answer.json).toMatchObject({ status: 403, code: "CERT_PURPOSE" });
});

test("a client gets no name that it asks for, although its account has it", async () => {
  const { csr } = await asking("DNS:db.example.internal", "IP:127.0.0.1");
  const certificate = await issued("client", csr);
  expect(certificate.subjectAltName).toBe("URI:spiffe://countersign.internal/account/db");
});

test("a device's certificate lives for 30 days, and no longer", async () => {
  const { csr } = await freshRequest();
  const certificate = await issued("device", csr);
  const life = certificate.validToDate.getTime() - certificate.validFromDate.getTime();
  expect(life).toBe((30 * 24 * 3600 + 60) * 1000);
  const token = await server.token("db", "--profile", "device");
  const notAfter = new Date(Date.now() + 31 * 24 * 3600 * 1000).toISOString();
  const answer = await requestCertificate(server, token, { csr: (await freshRequest()).csr, notAfter });
  expect(answer.json).toMatchObject({ status: 400, code: "VALIDITY_INVALID" });
});

test("a CSR whose names cannot be read is refused where they count, and signed where they don't", async () => {
  const { csr } = await asking("DNS:a.apps.example.internal", "otherName:1.2.3.4;UTF8:x");
  expect((await issued("server", csr)).subjectAltName).toContain("DNS:a.apps.example.internal");
  const twice = server.workspace.file("twice.cnf");
  const lines = [
    "[req]",
    "prompt=no",
    "distinguished_name=dn",
    "req_extensions=ext",
    "[dn]",
    "CN=x",
    "[ext]",
  ];
  writeFileSync(twice, [...lines, "2.5.29.17=DER:3003820161", "subjectAltName=DNS:b", ""].join("\n"));
  const newkey = ["-newkey", "ed25519", "-nodes", "-keyout", "/dev/null"];
  const bad = await runOk("openssl", ["req", "-new", ...newkey, "-config", twice]);
  const token = await server.token("db", "--profile", "server");
  const answer = await requestCertificate(server, token, { csr: bad });
  expect(answer.json).toMatchObject({ status: 400, code: "CSR_MALFORMED" });
  expect((await issued("client", bad)).subject).toBe("CN=db");
});

test("what an admin changes of an account counts for the next certificate", async () => {
  await server.admin("account", "update", "db", "--dns", ".new.internal");
  const { csr } = await asking("DNS:a.new.internal", "DNS:db.example.internal");
  expect((await issued("server", csr)).subjectAltName).toBe(
    "DNS:a.new.internal, URI:spiffe://countersign.internal/account/db",
  );
});

test("SIGHUP has the profiles read again; bad ones change nothing, and the log says why", async () => {
  const file = join(server.home, "profiles", "client.json");
  const profile = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  onTestFinished(() => {
    writeFileSync(file, JSON.stringify(profile));
    server.process.kill("SIGHUP");
  });
  // Before the profiles are broken: the command that makes a token reads them too.
  const tokens = [await server.token("db"), await server.token("db"), await server.token("db")];
  const lives = async (): Promise<number> => {
    const { cert } = await enrolled(server, tokens.pop() ?? "");
    const { validFromDate, validToDate } = new X509Certificate(cert);
    return (validToDate.getTime() - validFromDate.getTime()) / 1000 - 60;
  };
  writeFileSync(file, JSON.stringify({ ...profile, life: { default: "2h", max: "2h" } }));
  expect(await lives()).toBe(24 * 3600);
  server.process.kill("SIGHUP");
  await eventually(() => {
    expect(server.log()).toContain("the profiles were read again");
  });
  expect(await lives()).toBe(2 * 3600);
  writeFileSync(file, JSON.stringify({ ...profile, life: { default: "3h", max: "91d" } }));
  server.process.kill("SIGHUP");
  await eventually(() => {
    expect(server.log()).toContain("the profiles were not read again: the old ones stay");
  });
  expect(server.log()).toContain("client.json: life.max is more than 90d");
  expect(await lives()).toBe(2 * 3600);
});

test("serve does not start with profiles that are not valid, and names every fault", async () => {
  const directory = join(server.home, "profiles");
  const [one, other] = [join(directory, "one.json"), join(directory, "other.json")];
  const client = JSON.parse(readFileSync(join(directory, "client.json"), "utf8")) as object;
  onTestFinished(async () => {
    await runOk("rm", ["-f", one, other]);
  });
  writeFileSync(one, JSON.stringify({ ...client, life: { default: "1h", max: "100d" }, isCA: true }));
  writeFileSync(other, JSON.stringify({ ...client, issuer: "nobody" }));
  const ran = await countersign(["serve", "--home", server.home]);
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  for (const fault of ["one.json: ", "isCA", "life.max is more than 90d", "issuer 'nobody' does not exist"]) {
    expect(ran.stderr).toContain(fault);
  }
  const checked = await command(["profile", "check", "--home", server.home]);
  expect(checked).toMatchObject({ code: 1, stdout: "" });
  expect(checked.stderr).toContain("other.json: issuer 'nobody' does not exist");
  const alone = await command(["profile", "check", one]);
  expect(alone).toMatchObject({ code: 1, stdout: "" });
  expect(alone.stderr).toContain("life.max is more than 90d");
});

test("profile list, show and check tell of what there is", async () => {
  const here = (...args: string[]) => command(["profile", ...args, "--home", server.home]);
  expect((await here("check")).stdout).toBe("Valid: client, device, server.\n");
  expect((await here("list")).stdout).toMatch(/^PROFILE +ISSUER .*\nclient +default +1d +90d +clientAuth /);
  const shown = JSON.parse((await here("show", "device")).stdout) as Record<string, unknown>;
  expect(shown).toMatchObject({ name: "device", life: { default: "30d", max: "30d" }, issuer: "default" });
  const unknown = await here("show", "root");
  expect(unknown).toMatchObject({ code: 1, stdout: "" });
  expect(unknown.stderr).toContain("(PROFILE_UNKNOWN)");
});
