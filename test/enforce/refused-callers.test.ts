import { createPrivateKey, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type DenialCode, errorTable } from "../../src/domain/errors.ts";
import { HOUR } from "../../src/domain/time.ts";
import { x509 } from "../../src/x509/library.ts";
import { type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { expiredSelfSigned, freshKeys, inPem, p256 } from "../support/library-certificates.ts";
import { issuedAt, signedOffRecord } from "../support/own-issuer.ts";
import { runOk } from "../support/run.ts";
import { sharedServer, startTestServer } from "../support/server.ts";
import { withinLife } from "../support/within-life.ts";

const server = sharedServer();
let good: TestCredential;
beforeAll(async () => {
  good = await enrolled(server, await server.token("acme"));
});

type Tls = Partial<Pick<TestCredential, "key" | "cert">>;

async function expectDenial(code: DenialCode, tls: Tls, path = "/whoami"): Promise<void> {
  const answer = await call(server.enforce + path, { tls: { ca: good.ca, key: tls.key, cert: tls.cert } });
  const [status, sentence] = errorTable[code];
  expect(answer.json).toMatchObject({ code, status, detail: sentence });
  expect(answer.json["requestId"]).toMatch(/^[0-9a-f-]{36}$/);
  expect(answer.status).toBe(status);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  if (status === 401) expect(answer.headers["www-authenticate"]).toMatch(/^Certificate /);
}

function fileOf(name: string): string {
  return readFileSync(`${server.home}/${name}`, "latin1");
}

function opened(name: string): string {
  const passphrase = fileOf("secrets/password").trim();
  return createPrivateKey({ key: fileOf(name), passphrase }).export({ format: "pem", type: "pkcs8" });
}

test("without a certificate", () => expectDenial("CERT_REQUIRED", {}));

test("with a certificate of another CA that calls itself the same", async () => {
  const other = await startTestServer({ init: [] });
  const foreign = await enrolled(other, await other.token("acme"));
  await other.stop();
  await other.workspace.remove();
  await expectDenial("CERT_UNTRUSTED", foreign);
});

describe("self-signed", () => {
  test.each([
    ["valid", ["-days", "1"]],
    ["a CA", ["-days", "1", "-addext", "basicConstraints=critical,CA:TRUE"]],
    ["for servers only", ["-days", "1", "-addext", "extendedKeyUsage=serverAuth"]],
  ])("%s", async (_name, extra) => {
    const key = server.workspace.file("self.key");
    const args = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      key,
    ];
    const cert = await runOk("openssl", [...args, "-subj", "/CN=acme", ...extra]);
    await expectDenial("CERT_UNTRUSTED", { key: readFileSync(key, "latin1"), cert });
  });
});

test("self-signed and expired", async () => {
  await expectDenial("CERT_UNTRUSTED", await expiredSelfSigned());
});

test("signed by our CA, but not on record", async () => {
  await expectDenial("CERT_UNKNOWN", await signedOffRecord(server.home));
});

test("signed by our CA, expired, and not on record: only what is on record is called expired", async () => {
  const past = Math.floor(Date.now() / 1000) * 1000 - HOUR;
  const ghost = await signedOffRecord(server.home, { notBefore: past - HOUR, notAfter: past });
  await expectDenial("CERT_UNTRUSTED", ghost);
});

test("not valid yet", async () => {
  await expectDenial("CERT_NOT_YET_VALID", await issuedAt(server.home, "acme", HOUR));
});

test("expired, on a new connection and on one that was open before", async () => {
  const { brief, agent } = await withinLife(async (end) => {
    const notAfter = new Date(end).toISOString();
    const credential = await enrolled(server, await server.token("acme"), { notAfter });
    const kept = keepAlive(credential);
    expect((await call(`${server.enforce}/whoami`, { agent: kept })).status).toBe(200);
    return { brief: credential, agent: kept };
  });
  const refused = await vi.waitUntil(
    async () => {
      const answer = await call(`${server.enforce}/whoami`, { agent });
      return answer.status === 200 ? undefined : answer;
    },
    { timeout: 60_000, interval: 100 },
  );
  expect(refused).toMatchObject({ status: 403, reusedSocket: true });
  expect(refused.json["code"]).toBe("CERT_EXPIRED");
  expect(refused.headers["connection"]).toBe("close");
  await expectDenial("CERT_EXPIRED", brief);
  agent.destroy();
});

describe("not a client's certificate", () => {
  test("our own listeners' server certificate", async () => {
    await expectDenial("CERT_PURPOSE", {
      key: opened("secrets/server.key"),
      cert: fileOf("certs/server.crt"),
    });
  });

  test("a server certificate that is not on record", async () => {
    await expectDenial(
      "CERT_PURPOSE",
      await signedOffRecord(server.home, { extendedKeyUsage: ["serverAuth"] }),
    );
  });

  test("the issuing CA's own", async () => {
    await expectDenial("CERT_PURPOSE", {
      key: opened("secrets/issuer.key"),
      cert: fileOf("certs/issuer.crt"),
    });
  });

  test("one without any extended key usage, which OpenSSL takes for every purpose", async () => {
    const issuer = new x509.X509Certificate(fileOf("certs/issuer.crt"));
    const keys = await freshKeys();
    const signingKey = createPrivateKey(opened("secrets/issuer.key")).toCryptoKey(p256, false, ["sign"]);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(8).toString("hex"),
      subject: "CN=acme",
      issuer: issuer.subject,
      notBefore: new Date(Date.now() - HOUR),
      notAfter: new Date(Date.now() + HOUR),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: p256,
      extensions: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true)],
    });
    await expectDenial("CERT_PURPOSE", await inPem(keys, certificate));
  });
});

test("only its leaf sent: works", async () => {
  const leaf = good.cert.slice(0, good.cert.indexOf("-----END CERTIFICATE-----") + 26);
  const answer = await call(`${server.enforce}/whoami`, { tls: { ca: good.ca, key: good.key, cert: leaf } });
  expect(answer.status).toBe(200);
  expect(answer.json).toMatchObject({ account: "acme", fingerprint: good.fingerprint, serial: good.serial });
});

test("an account that may only be used from elsewhere", async () => {
  await server.admin("account", "create", "remote", "--allow-ip", "192.0.2.0/24,2001:db8::/32");
  await expectDenial("ADDRESS_NOT_ALLOWED", await enrolled(server, await server.token("remote")));
});

describe("nothing there", () => {
  test.each([["/"], ["/whoami/"], ["/WHOAMI"], ["/%77hoami"], ["//whoami"]])("%s", async (path) => {
    await expectDenial("NO_ROUTE", good, path);
  });

  test.each(["POST", "DELETE", "OPTIONS"])("%s /whoami", async (method) => {
    const answer = await call(`${server.enforce}/whoami`, { method, tls: { ...good } });
    expect(answer.json).toMatchObject({ code: "NO_ROUTE", status: 404 });
  });

  test("a path says nothing to who may not call", () => expectDenial("CERT_REQUIRED", {}, "/nothing"));
});

test("suspended, then resumed, on one connection", async () => {
  const credential = await enrolled(server, await server.token("wavering"));
  const agent = keepAlive(credential);
  const ask = () => call(`${server.enforce}/whoami`, { agent });
  expect((await ask()).status).toBe(200);
  for (const [suspend, resume, code] of [
    [["suspend", credential.serial], ["resume", credential.serial], "CERT_SUSPENDED"],
    [["account", "suspend", "wavering"], ["account", "resume", "wavering"], "ACCOUNT_SUSPENDED"],
  ] as const) {
    await server.admin(...suspend);
    const denied = await ask();
    expect(denied).toMatchObject({ status: 403, reusedSocket: true });
    expect(denied.json["code"]).toBe(code);
    expect(denied.headers["connection"]).toBe("keep-alive");
    await server.admin(...resume);
    expect(await ask()).toMatchObject({ status: 200, reusedSocket: true });
  }
  agent.destroy();
});
