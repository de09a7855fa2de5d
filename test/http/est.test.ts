import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toPem } from "../../src/x509/pem.ts";
import { type TestCredential, call, enrolled, requestCertificate } from "../support/client.ts";
import { type MadeRequest, basic, certificatesIn, est, generalName, makeCsr } from "../support/est-client.ts";
import { commonName } from "../support/fixtures-csr.ts";
import { sharedServer } from "../support/server.ts";

// EST (RFC 7030, RFC 8951) over the wire: what is granted, and in which form. What is refused: refused-est.

const server = sharedServer({ serve: ["--approval"] });
const token = () => server.token("acme");
const leafIn = (answer: { readonly text: string }): X509Certificate => {
  const [leaf = "", ...rest] = certificatesIn(answer);
  expect(rest).toEqual([]);
  return new X509Certificate(leaf);
};
/** Calls with a certificate of EST's, without its issuing CA. */
async function whoami({ key }: MadeRequest, leaf: X509Certificate): Promise<unknown> {
  const tls = { key, cert: leaf.toString(), ca: readFileSync(server.root) };
  return (await call(`${server.enforce}/whoami`, { tls })).json;
}
const enrol = async (): Promise<TestCredential> => enrolled(server, await token());

describe("/cacerts", () => {
  const file = (name: string) => new X509Certificate(readFileSync(join(server.home, "certs", name)));

  test("has the root and the issuing CA, with a profile's label too", async () => {
    for (const path of ["cacerts", "client/cacerts", "server/cacerts"]) {
      const answer = await est(server, path);
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        "content-type": "application/pkcs7-mime; smime-type=certs-only",
        "content-transfer-encoding": "base64",
        "content-length": String(answer.text.length),
        "cache-control": "no-store",
      });
      const found = certificatesIn(answer).map((pem) => new X509Certificate(pem).fingerprint256);
      expect(found.sort()).toEqual(
        [file("root.crt").fingerprint256, file("issuer.crt").fingerprint256].sort(),
      );
    }
  });

  test("is NOT_FOUND under a label of no profile", async () => {
    for (const path of ["nobody/cacerts", "nobody/csrattrs", "CLIENT/cacerts", "%00/cacerts"])
      expect(await est(server, path)).toMatchObject({ status: 404, json: { code: "NOT_FOUND" } });
  });

  test("is base64 without line ends for who says nothing of itself, else in lines of 64", async () => {
    const terse = await est(server, "cacerts");
    expect(terse.text).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
    for (const headers of [{ Accept: "*/*" }, { "User-Agent": "any" }]) {
      const { text } = await est(server, "cacerts", { headers });
      expect(text).toMatch(/^([A-Za-z0-9+/=]{64}\n)+([A-Za-z0-9+/=]{1,64}\n)?$/);
      expect(text.replaceAll("\n", "")).toBe(terse.text);
    }
  });

  test("HEAD has the header alone; other methods are refused", async () => {
    expect(await est(server, "cacerts", { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
    const posted = await est(server, "cacerts", { method: "POST", body: "" });
    expect(posted).toMatchObject({ status: 405, json: { code: "METHOD_NOT_ALLOWED" } });
    expect(posted.headers["allow"]).toBe("GET, HEAD");
    const got = await est(server, "simpleenroll");
    expect(got).toMatchObject({ status: 405, json: { code: "METHOD_NOT_ALLOWED" } });
    expect(got.headers["allow"]).toBe("POST");
  });
});

test("/csrattrs asks for the key that the profile likes best: P-256", async () => {
  for (const path of ["csrattrs", "device/csrattrs"]) {
    const answer = await est(server, path);
    expect(answer).toMatchObject({ status: 200, text: "MBcwFQYHKoZIzj0CATEKBggqhkjOPQMBBw==" });
    expect(answer.headers["content-type"]).toBe("application/csrattrs");
  }
});

describe("/simpleenroll", () => {
  test.for([
    ["the token as Basic's password, with any user name", (text: string) => basic(text, "päul")],
    ["the token as Basic's password, with none", (text: string) => basic(text, "")],
    ["the token as a Bearer", (text: string) => `bearer  ${text}`],
  ] as const)("%s: the certificate alone, with which calls are let through", async ([, authorization]) => {
    const made = makeCsr({ subject: [commonName("whatever")] });
    const answer = await est(server, "simpleenroll", {
      csr: made.csr,
      authorization: authorization(await token()),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/pkcs7-mime; smime-type=certs-only");
    const leaf = leafIn(answer);
    expect(leaf.subject).toBe("CN=acme");
    expect(await whoami(made, leaf)).toMatchObject({ account: "acme" });
  });

  test("a CSR in every form that clients send", async () => {
    const { csr } = makeCsr();
    const text = csr.toString("base64");
    const wrapped = text.replace(/.{64}/g, "$&\r\n");
    const forms = [text, `${text}\r\n`, wrapped, `\n ${wrapped}\n`, csr, toPem("CERTIFICATE REQUEST", csr)];
    const authorization = basic(await token());
    const types = ["application/pkcs10", "Application/PKCS10; charset=utf-8"];
    const answers = await Promise.all(
      forms.flatMap((body) =>
        types.map((type) =>
          est(server, "simpleenroll", {
            body,
            authorization,
            headers: { "Content-Type": type, "Content-Transfer-Encoding": "8bit" }, // RFC 8951 §3.1: it says nothing
          }),
        ),
      ),
    );
    // The same CSR gets the same certificate: a lost answer burns no token.
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map((answer) => leafIn(answer).fingerprint256)).size).toBe(1);
  });

  test("the token's profile under its label, and under no other", async () => {
    const device = await server.token("acme", "--profile", "device");
    const { csr } = makeCsr();
    const wrong = await est(server, "client/simpleenroll", { csr, authorization: basic(device) });
    expect(wrong).toMatchObject({ status: 400, json: { code: "PROFILE_UNKNOWN" } });
    const leaf = leafIn(await est(server, "device/simpleenroll", { csr, authorization: basic(device) }));
    const days = (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 86_400_000;
    expect(Math.round(days)).toBe(30);
  });

  test("a certificate instead of a token renews it, once", async () => {
    const old = await enrol();
    const made = makeCsr({ subject: [commonName("ignored")] });
    const answer = await est(server, "simpleenroll", { csr: made.csr, credential: old });
    expect(await whoami(made, leafIn(answer))).toMatchObject({ account: "acme" });
    const listed = await server.admin("list", "--line", old.fingerprint);
    expect(listed).toHaveLength(2);
    const again = await est(server, "simpleenroll", { csr: makeCsr().csr, credential: old });
    expect(again).toMatchObject({ status: 409, json: { code: "RENEWED_BEFORE" } });
  });

  test("a token counts more than the certificate that comes with it", async () => {
    const own = await enrol();
    const made = makeCsr();
    const authorization = basic(await server.token("other"));
    const answer = await est(server, "simpleenroll", { csr: made.csr, credential: own, authorization });
    expect(await whoami(made, leafIn(answer))).toMatchObject({ account: "other" });
    expect(await server.admin("list", "--line", own.fingerprint)).toHaveLength(1);
  });

  test("a user name without password waits for an admin: 202, then 403 or 200", async () => {
    const asked = { authorization: basic("") };
    const [one, two] = [makeCsr(), makeCsr()];
    for (const { csr } of [one, one, two]) {
      const answer = await est(server, "simpleenroll", { csr, ...asked });
      expect(answer).toMatchObject({ status: 202, json: { status: "pending" } });
      expect(answer.headers["retry-after"]).toBe("5");
    }
    const waiting = (await server.admin("request", "list")) as unknown as { keyFingerprint: string }[];
    expect(waiting).toHaveLength(2);
    const [first, second] = waiting.map(({ keyFingerprint }) => keyFingerprint);
    await server.token("acme");
    await server.admin("request", "approve", String(first), "--account", "acme");
    await server.admin("request", "deny", String(second));
    const answer = await est(server, "simpleenroll", { csr: one.csr, ...asked });
    expect(await whoami(one, leafIn(answer))).toMatchObject({ account: "acme" });
    const denied = await est(server, "simpleenroll", { csr: two.csr, ...asked });
    expect(denied).toMatchObject({ status: 403, json: { code: "REQUEST_DENIED" } });
  });
});

describe("/simplereenroll", () => {
  test("renews the certificate of the handshake, to the same key or another", async () => {
    const old = await enrol();
    const made = makeCsr({ subject: [commonName("acme")] });
    const leaf = leafIn(await est(server, "client/simplereenroll", { csr: made.csr, credential: old }));
    expect(await whoami(made, leaf)).toMatchObject({ account: "acme" });
    const again = await est(server, "simplereenroll", { csr: made.csr, credential: old });
    expect(leafIn(again).fingerprint256).toBe(leaf.fingerprint256);
    const next = await est(server, "simplereenroll", {
      csr: made.csr,
      credential: { key: made.key, cert: leaf.toString() },
    });
    expect(leafIn(next).publicKey.export({ format: "der", type: "spki" })).toEqual(
      leaf.publicKey.export({ format: "der", type: "spki" }),
    );
  });

  test("keeps the DNS names of a certificate, whether the CSR names them or not", async () => {
    const profile = JSON.parse(readFileSync(join(server.home, "profiles", "server.json"), "utf8")) as object;
    const both = { ...profile, extendedKeyUsage: ["serverAuth", "clientAuth"] };
    writeFileSync(join(server.home, "profiles", "gateway.json"), JSON.stringify(both));
    server.process.kill("SIGHUP");
    await expect.poll(async () => (await est(server, "gateway/cacerts")).status).toBe(200);
    await server.admin("account", "create", "gw", "--dns", "a.example,b.example");
    const authorization = basic(await server.token("gw", "--profile", "gateway"));
    const names = ["a.example", "b.example"].map((name) => generalName("dns", name));
    const first = makeCsr({ names });
    let credential = {
      key: first.key,
      cert: leafIn(await est(server, "simpleenroll", { csr: first.csr, authorization })).toString(),
    };
    for (const asked of [{}, { names }, { subject: [commonName("gw")], names: names.toReversed() }]) {
      const { key, csr } = makeCsr(asked);
      const leaf = leafIn(await est(server, "simplereenroll", { csr, credential }));
      expect(leaf.subject).toBe("CN=gw");
      expect(leaf.subjectAltName).toMatch(/^DNS:a\.example, DNS:b\.example, URI:/);
      credential = { key, cert: leaf.toString() };
    }
    const renewed = async (csr: Buffer): Promise<X509Certificate> => {
      const { json } = await call(`${server.ca}/v1/certificates/renew`, {
        ...{ method: "POST", headers: { "Content-Type": "application/pkcs10" }, body: csr },
        tls: { ca: readFileSync(server.root), ...credential },
      });
      return new X509Certificate(String(json["certificate"]));
    };
    const silent = makeCsr();
    const kept = await renewed(silent.csr); // not by EST: what is not asked for is kept all the same,
    expect(kept.subjectAltName).toMatch(/^DNS:a\.example, DNS:b\.example, URI:/);
    credential = { key: silent.key, cert: kept.toString() };
    const chosen = makeCsr({ names: names.slice(1) });
    const own = await renewed(chosen.csr); // and what is asked for is chosen.
    expect(own.subjectAltName).toMatch(/^DNS:b\.example, URI:/);
    credential = { key: chosen.key, cert: own.toString() };
    const fewer = makeCsr({ names: names.slice(0, 1) });
    const refused = await est(server, "simplereenroll", { csr: fewer.csr, credential });
    expect(refused).toMatchObject({ status: 400, json: { code: "NAMES_CHANGED" } });
  });

  test("an answer that was lost is given again over JSON as well", async () => {
    const old = await enrol();
    const { csr } = makeCsr();
    const leaf = leafIn(await est(server, "simplereenroll", { csr, credential: old }));
    const answer = await call(`${server.ca}/v1/certificates/renew`, {
      method: "POST",
      headers: { "Content-Type": "application/pkcs10" },
      body: csr,
      tls: { ca: old.ca, key: old.key, cert: old.cert },
    });
    expect(answer.json["fingerprint"]).toBe(leaf.fingerprint256.replaceAll(":", "").toLowerCase());
  });
});

test("what EST has enrolled is on record as any other", async () => {
  const made = makeCsr();
  const used = await token();
  const leaf = leafIn(await est(server, "simpleenroll", { csr: made.csr, authorization: basic(used) }));
  const again = await requestCertificate(server, used, { csr: toPem("CERTIFICATE REQUEST", made.csr) });
  expect(new X509Certificate(String(again.json["certificate"])).fingerprint256).toBe(leaf.fingerprint256);
  await server.admin("revoke", leaf.fingerprint256.replaceAll(":", ""));
  expect(await whoami(made, leaf)).toMatchObject({ code: "CERT_REVOKED" });
});
