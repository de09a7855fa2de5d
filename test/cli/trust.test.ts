import { once } from "node:events";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changeConfig } from "../support/change-config.ts";
import { DAY, MINUTE } from "../../src/domain/time.ts";
import { createEnforcer } from "../../src/index.ts";
import { TrustCrls } from "../../src/serve/trust-crls.ts";
import { readForeignCas } from "../../src/x509/foreign-ca.ts";
import { eventually } from "../support/eventually.ts";
import { freshHome } from "../support/fresh-home.ts";
import { call, enrolled, keepAlive } from "../support/client.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { command } from "../support/command.ts";
import { runOk } from "../support/run.ts";
import { type TestServer, serveHome } from "../support/server.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
let server: TestServer;
const at = (name: string) => workspace.file(name);
const openssl = (...args: string[]) => runOk("openssl", args);
const here = (...args: string[]) => command([...args, "--home", at("home")]);
const trust = (entries: readonly object[]) => {
  changeConfig(at("home"), { trust: entries });
};
const partner = () => ({ name: "partner", ca: at("cas.pem"), crl: at("partner.crl") });

const extensions = `[v3_ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
[client]
extendedKeyUsage=clientAuth
[server]
extendedKeyUsage=serverAuth
[ca]
default_ca=own
[own]
database=index.txt
crlnumber=crlnumber
default_md=sha256
default_crl_days=7
crl_extensions=crl
[crl]
authorityKeyIdentifier=keyid
[req]
distinguished_name=dn
[dn]
`;

async function leaf(name: string, section: string, key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]) {
  const conf = at("ca.cnf");
  await openssl("genpkey", "-algorithm", ...key, "-out", at(`${name}.key`));
  await openssl(
    "req",
    "-new",
    "-config",
    conf,
    "-key",
    at(`${name}.key`),
    "-subj",
    `/CN=${name}`,
    "-out",
    at(`${name}.csr`),
  );
  await openssl(
    ...["x509", "-req", "-in", at(`${name}.csr`), "-CA", at("inter.pem"), "-CAkey", at("inter.key")],
    ...["-days", "5", "-extfile", conf, "-extensions", section, "-out", at(`${name}.pem`)],
  );
}

const credential = (name: string) => ({
  key: readFileSync(at(`${name}.key`), "utf8"),
  cert: readFileSync(at(`${name}.pem`), "utf8"),
  fingerprint: "",
  serial: "",
  ca: readFileSync(server.root),
});

async function publishCrl(index: string, number: string, out: string) {
  writeFileSync(at("index.txt"), index);
  writeFileSync(at("crlnumber"), `${number}\n`);
  const conf = readFileSync(at("ca.cnf"), "utf8")
    .replace("index.txt", at("index.txt"))
    .replace("=crlnumber", `=${at("crlnumber")}`);
  writeFileSync(at("crl.cnf"), conf);
  await openssl(
    "ca",
    "-gencrl",
    "-config",
    at("crl.cnf"),
    "-cert",
    at("inter.pem"),
    "-keyfile",
    at("inter.key"),
    "-out",
    out,
  );
}

const serialOf = async (name: string) =>
  (await openssl("x509", "-in", at(`${name}.pem`), "-noout", "-serial")).trim().replace("serial=", "");
const entry = (serial: string, reason = "") =>
  `R\t300101000000Z\t260101000000Z${reason}\t${serial}\tunknown\t/CN=x\n`;

beforeAll(async () => {
  workspace = await makeWorkspace();
  writeFileSync(at("ca.cnf"), extensions);
  await openssl(
    "req",
    "-x509",
    "-config",
    at("ca.cnf"),
    "-extensions",
    "v3_ca",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    at("root.key"),
    "-subj",
    "/CN=Partner root",
    "-days",
    "30",
    "-out",
    at("root.pem"),
  );
  await openssl(
    "genpkey",
    "-algorithm",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-out",
    at("inter.key"),
  );
  await openssl(
    "req",
    "-new",
    "-config",
    at("ca.cnf"),
    "-key",
    at("inter.key"),
    "-subj",
    "/CN=Partner CA",
    "-out",
    at("inter.csr"),
  );
  await openssl(
    "x509",
    "-req",
    "-in",
    at("inter.csr"),
    "-CA",
    at("root.pem"),
    "-CAkey",
    at("root.key"),
    "-days",
    "20",
    "-extfile",
    at("ca.cnf"),
    "-extensions",
    "v3_ca",
    "-out",
    at("inter.pem"),
  );
  writeFileSync(at("cas.pem"), readFileSync(at("root.pem"), "utf8") + readFileSync(at("inter.pem"), "utf8"));
  await leaf("good", "client");
  await leaf("held", "client", ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"]);
  await leaf("stranger", "client");
  await leaf("web", "server");
  await publishCrl("", "05", at("partner.crl"));
  await freshHome(at("home"));
  trust([partner()]);
  server = await serveHome(workspace);
  await server.admin("account", "create", "acme");
  for (const name of ["good", "held"])
    await server.admin("credential", "register", at(`${name}.pem`), "--account", "acme");
}, 60_000);
afterAll(async () => {
  await server.stop();
  await workspace.remove();
});

test("a registered credential may call, one that only leads to the CA may not", async () => {
  const whoami = (name: string) => call(`${server.enforce}/whoami`, { tls: credential(name) });
  expect((await whoami("good")).json).toMatchObject({ account: "acme" });
  expect((await whoami("held")).status).toBe(200);
  expect((await whoami("stranger")).json).toMatchObject({ code: "CERT_UNKNOWN" });
  expect((await here("why", at("good.pem"))).stdout).toMatch(/let through/); // its CRL lists nobody yet
});

test("an enforcer of the home trusts whom its configuration does, and knows who is registered", async () => {
  const { cert, key } = listenerCertificate(at("home"));
  const enforcer = await createEnforcer({ home: at("home") });
  const service = enforcer.createServer((_request, response, { account }) => response.end(account), {
    cert,
    key,
  });
  try {
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    const url = `https://127.0.0.1:${String((service.address() as AddressInfo).port)}/`;
    expect((await call(url, { tls: credential("good") })).text).toBe("acme");
    expect((await call(url, { tls: credential("stranger") })).json["code"]).toBe("CERT_UNKNOWN");
  } finally {
    service.close();
    service.closeAllConnections();
    await enforcer.close();
  }
});

test("the CA listener does not trust the other CA", async () => {
  const fingerprint = (await server.admin("show", at("good.pem")))["fingerprint"];
  const path = `${server.ca}/v1/certificates/${String(fingerprint)}/revoke`;
  const answer = await call(path, { method: "POST", tls: credential("good") });
  expect(answer.json).toMatchObject({ code: "CERT_UNTRUSTED" });
});

test.each([
  ["web", "lacks clientAuth. (CREDENTIAL_INVALID)"],
  ["inter", "it is a CA's; its extended key usage lacks clientAuth. (CREDENTIAL_INVALID)"],
  ["root", "it is a CA's; its extended key usage lacks clientAuth. (CREDENTIAL_INVALID)"],
  ["good", "on record already. Nothing was changed. (CREDENTIAL_EXISTS)"],
])("%s cannot be registered", async (name, words) => {
  const ran = await here("credential", "register", at(`${name}.pem`), "--account", "acme");
  expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining(words)]);
});

test("nobody is signed a certificate for that CA's own key", async () => {
  const root = ["-key", at("root.key"), "-config", at("ca.cnf"), "-subj", "/CN=acme"];
  await openssl("req", "-new", ...root, "-out", at("root.csr"));
  const ran = await here("sign", at("root.csr"), "--account", "acme");
  expect([ran.code, ran.stdout, ran.stderr]).toEqual([1, "", expect.stringContaining("(KEY_IN_USE)")]);
});

test("none is registered for scopes that its account has not", async () => {
  const args = ["credential", "register", at("stranger.pem"), "--account", "acme", "--scopes", "nope"];
  const ran = await here(...args);
  expect([ran.code, ran.stderr]).toEqual([
    2,
    expect.stringContaining("has no scope 'nope'. (SCOPE_INVALID)"),
  ]);
});

test("one of our own, and a key that another account has, cannot be registered", async () => {
  const own = await enrolled(server, await server.token("other"));
  writeFileSync(at("own.pem"), own.cert);
  const ours = await here("credential", "register", at("own.pem"), "--account", "acme");
  expect(ours.stderr).toContain("no CA named under 'trust' signed it. (CREDENTIAL_INVALID)");
  await openssl(
    "x509",
    "-req",
    "-in",
    at("good.csr"),
    "-CA",
    at("inter.pem"),
    "-CAkey",
    at("inter.key"),
    "-days",
    "5",
    "-extfile",
    at("ca.cnf"),
    "-extensions",
    "client",
    "-out",
    at("again.pem"),
  );
  const taken = await here("credential", "register", at("again.pem"), "--account", "other");
  expect(taken.stderr).toContain("(KEY_IN_USE)");
});

test("the other CA's list denies, on open connections too, and an older one changes nothing", async () => {
  const agent = keepAlive(credential("good"));
  expect((await call(`${server.enforce}/whoami`, { agent })).status).toBe(200);
  const index = entry(await serialOf("good")) + entry(await serialOf("held"), ",certificateHold");
  await publishCrl(index, "06", at("partner.crl"));
  await eventually(async () => {
    const good = await call(`${server.enforce}/whoami`, { tls: credential("good") });
    expect(good.json).toMatchObject({ code: "CERT_REVOKED" });
  });
  const again = await call(`${server.enforce}/whoami`, { agent }).catch(() => undefined);
  expect(again?.json["code"] ?? "CERT_REVOKED").toBe("CERT_REVOKED");
  const held = await call(`${server.enforce}/whoami`, { tls: credential("held") });
  expect(held.json).toMatchObject({ code: "CERT_SUSPENDED" });
  agent.destroy();
  const rule = "the CRL of 'partner' lists its serial number";
  const why = (name: string) => server.admin("why", at(`${name}.pem`));
  expect(await why("good")).toMatchObject({ allowed: false, code: "CERT_REVOKED", rule });
  expect(await why("held")).toMatchObject({ allowed: false, code: "CERT_SUSPENDED", rule });
  await publishCrl("", "05", at("partner.crl"));
  await eventually(() => {
    expect(server.log()).toContain("older than the one that is held");
  });
  const good = await call(`${server.enforce}/whoami`, { tls: credential("good") });
  expect(good.json).toMatchObject({ code: "CERT_REVOKED" });
});

test("after a restart, neither an older file nor none lets back in what was listed", async () => {
  const answer = async () => {
    const { json } = await call(`${server.enforce}/whoami`, { tls: credential("good") });
    return json["code"];
  };
  const shown = await (await fetch(`${server.metrics}/metrics`)).text();
  expect(shown).toContain('countersign_trust_crl_entries{ca="partner"} 2');
  expect(statSync(at("home/trust/partner.crl")).mode & 0o777).toBe(0o600);
  await server.stop();
  server = await serveHome(workspace);
  expect(await answer()).toBe("CERT_REVOKED");
  await server.stop();
  rmSync(at("partner.crl"));
  server = await serveHome(workspace);
  expect(await answer()).toBe("CERT_REVOKED");
});

test("our CRL does not have what is revoked of the other CA's", async () => {
  await server.admin("revoke", at("held.pem"));
  await server.admin("crl", "publish", "--out", at("crls"));
  const texts = await runOk("sh", [
    "-c",
    `for f in "$1"/*; do openssl crl -in "$f" -text -noout 2>/dev/null || openssl crl -inform DER -in "$f" -text -noout; done`,
    "sh",
    at("crls"),
  ]);
  expect(texts).toContain("Certificate Revocation List");
  expect(texts).not.toContain(await serialOf("held"));
  expect((await here("issuer", "list")).stdout).not.toContain("foreign");
});

test("a list from the future is taken over once it is not, though its file has not changed", async () => {
  const { cas } = readForeignCas(readFileSync(at("cas.pem")), Date.now());
  let behind = 0;
  const told: string[] = [];
  const sizes: number[] = [];
  const say = (_about: unknown, words?: string) => void told.push(words ?? "");
  const crl = at("early.crl");
  await publishCrl("", "05", crl);
  const crls = await TrustCrls.start(
    {
      authenticator: { setListed: (_issuer, listed) => void sizes.push(listed.size) },
      clock: { now: () => Date.now() - behind },
      logger: { info: say, warn: say, error: say },
    },
    [{ name: "early", cas, crl, copy: at("early.copy") }],
  );
  try {
    behind = 10 * MINUTE;
    await publishCrl(entry("1234567890"), "07", crl);
    await eventually(() => {
      expect(told).toContain("a CA's CRL cannot be used: the last good one stays");
    });
    expect(sizes).toEqual([0]);
    behind = 0;
    await eventually(() => {
      expect(sizes).toEqual([0, 1]);
    });
    expect(readFileSync(at("early.copy"))).toEqual(readFileSync(crl));
  } finally {
    await crls.stop();
  }
});

test("a list past its nextUpdate denies still, and is warned of; one that cannot be used stops the start", async () => {
  const { cas } = readForeignCas(readFileSync(at("cas.pem")), Date.now());
  const told: string[] = [];
  const sizes: number[] = [];
  const say = (_about: unknown, words?: string) => void told.push(words ?? "");
  const parts = {
    authenticator: {
      setListed: (_issuer: unknown, listed: { size: number }) => void sizes.push(listed.size),
    },
    clock: { now: () => Date.now() + 8 * DAY },
    logger: { info: say, warn: say, error: say },
  };
  await publishCrl(entry("1234567890"), "08", at("ended.crl"));
  const authority = { name: "ended", cas, crl: at("ended.crl"), copy: at("ended.copy") };
  await (await TrustCrls.start(parts, [authority])).stop();
  expect(sizes).toEqual([1]);
  expect(told).toContain("a CA's CRL is past its nextUpdate: what it lists stays denied");
  const [root] = cas;
  if (!root) throw new TypeError("there are two");
  // Of somebody else, to a trust that knows the root alone.
  const stranger = { ...authority, cas: [root], copy: at("no.copy") };
  await expect(TrustCrls.start(parts, [stranger])).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});

test("every fault of what is trusted is named", async () => {
  trust([
    { name: "a", ca: "no.pem" },
    { name: "b", ca: at("good.pem"), crl: "no.crl" },
  ]);
  const ran = await here("credential", "register", at("good.pem"), "--account", "acme");
  for (const words of [
    "trust 'a'",
    "no.pem cannot be read",
    "is not a CA's",
    "does not lead to a root",
    "no.crl",
    "(CONFIG_INVALID)",
  ])
    expect(ran.stderr).toContain(words);
  trust([partner(), { ...partner(), name: "twice" }]);
  const twice = await here("credential", "register", at("good.pem"), "--account", "acme");
  expect(twice.stderr).toContain("trust 'twice': it has a CA in common with 'partner'");
  trust([partner(), { ...partner(), key: 1 }, { name: "UP", ca: "x", crl: "ftp://x/y" }]);
  const odd = await here("credential", "register", at("good.pem"), "--account", "acme");
  for (const words of ['"key"', "trust.2.name", "neither a file nor an http:// or https:// URL"])
    expect(odd.stderr).toContain(words);
  trust([partner()]);
});

test("a list that a URL has is taken over; a server that does not answer keeps nobody from starting", async () => {
  const { cas } = readForeignCas(readFileSync(at("cas.pem")), Date.now());
  await publishCrl("", "06", at("remote.crl"));
  const partner = createServer((_request, response) => response.end(readFileSync(at("remote.crl"))));
  partner.listen(0, "127.0.0.1");
  await once(partner, "listening");
  const url = `http://127.0.0.1:${String((partner.address() as AddressInfo).port)}/partner.crl`;
  const silent = () => undefined;
  const parts = {
    authenticator: { setListed: silent },
    clock: { now: () => Date.now() },
    logger: { info: silent, warn: silent, error: silent },
  };
  const followed = await TrustCrls.start(parts, [{ name: "remote", cas, crl: url, copy: at("remote.copy") }]);
  expect(followed.held()).toMatchObject([{ ca: "remote" }]);
  await followed.stop();
  partner.close();
  partner.closeAllConnections();
  await once(partner, "close");
  const again = await TrustCrls.start(parts, [
    { name: "remote", cas, crl: url, copy: at("remote.copy") },
    { name: "other", cas, crl: url, copy: at("none.copy") },
  ]);
  expect(again.held()).toMatchObject([{ ca: "remote" }]); // by its copy
  await again.stop();
});
