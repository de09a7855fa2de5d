import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSlug } from "../../src/domain/names.ts";
import { systemClock } from "../../src/home/open.ts";
import { registerCredential } from "../../src/services/register-credential.ts";
import { codec } from "../../src/x509/codec.ts";
import { readForeignCas } from "../../src/x509/foreign-ca.ts";
import { readForeignLeaf } from "../../src/x509/foreign-leaf.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type TestCredential, call, freshRequest, keepAlive } from "../support/client.ts";
import { clientTemplate, makeIssuer, testNow } from "../support/fixtures-issuer.ts";
import { renewalGround } from "../support/renewal-ground.ts";

const on = renewalGround();
const URL_OF = () => `${on.ground.server.listening.ca}/v1/certificates/renew`;
const tlsOf = ({ key, cert, ca }: TestCredential) => ({ key, cert, ca });

describe("a credential is renewed", () => {
  test("to another key: both are let through, and the answer is as an enrolment's", async () => {
    const { ground } = on;
    const old = await ground.credential();
    const { key, csr } = await freshRequest();
    const answer = await ground.ask(old, csr);
    expect(answer.status).toBe(201);
    expect(answer.headers).toMatchObject({
      ...{ "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
    });
    const { certificate, chain, fingerprint, serial, ...rest } = answer.json;
    expect(rest).toEqual({
      account: "acme",
      notBefore: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      notAfter: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    });
    expect(String(chain).startsWith(String(certificate))).toBe(true);
    expect(serial).toMatch(/^[0-9a-f]+$/);
    expect(fingerprint).not.toBe(old.fingerprint);
    for (const each of [{ ...old, key, cert: String(chain) }, old])
      expect(await ground.call(each)).toBe("200");
    const again = await ground.ask(old, csr);
    expect(again).toMatchObject({ status: 201, json: answer.json });
  });

  test("by a CSR alone, in DER, with the chain alone as the answer", async () => {
    const own = await on.ground.credential();
    const { csr } = await freshRequest();
    const der = Buffer.from(csr.replace(/-----[^-]+-----/g, ""), "base64");
    const headers = { "Content-Type": "application/pkcs10", Accept: "application/pem-certificate-chain" };
    const answer = await on.ground.ask(own, "", { headers, body: der });
    expect(answer).toMatchObject({
      status: 201,
      text: expect.stringMatching(/^-----BEGIN CERTIFICATE/) as unknown,
    });
    expect(answer.headers["content-type"]).toBe("application/pem-certificate-chain");
  });

  test("for as long as it asks, within what the profile allows", async () => {
    const own = await on.ground.credential();
    const { csr } = await freshRequest();
    const asking = (notAfter: string) => on.ground.ask(own, "", { body: JSON.stringify({ csr, notAfter }) });
    expect((await asking("2099-01-01T00:00:00Z")).json["code"]).toBe("VALIDITY_INVALID");
    const notAfter = `${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)}Z`;
    expect(await asking(notAfter)).toMatchObject({ status: 201, json: { notAfter } });
  });
});

describe("is refused", () => {
  test("without a certificate: 401, and how to come", async () => {
    const ca = readFileSync(join(on.ground.home, "certs", "root.crt"));
    const answer = await call(URL_OF(), { method: "POST", body: "{}", tls: { ca } });
    expect(answer).toMatchObject({ status: 401, json: { code: "CERT_REQUIRED" } });
    expect(answer.headers["www-authenticate"]).toBe('Certificate realm="countersign"');
  });

  test("what another CA has issued: one that is registered is not renewable, any other untrusted", async () => {
    const { ground } = on;
    const { issuer } = await makeIssuer("ec-p256");
    const { key, csr } = await freshRequest();
    const der = await codec.signLeaf(issuer, clientTemplate(codec.parseRequest(Buffer.from(csr)).spki));
    const foreign = { ...(await ground.credential()), key, cert: toPem("CERTIFICATE", der) };
    expect(await ground.answer(foreign)).toBe("401 CERT_UNTRUSTED");
    const { cas } = readForeignCas(Buffer.from(issuer.der), testNow);
    const registrable = readForeignLeaf(Buffer.from(der), cas, testNow);
    const grant = { account: parseSlug("acme"), scopes: undefined };
    await registerCredential(ground.database, { clock: systemClock, actor: "test" }, registrable, grant);
    await expect.poll(() => ground.answer(foreign)).toBe("403 NOT_RENEWABLE");
  });

  test("a body that is not what the route takes, and a credential stays as it is", async () => {
    const { ground } = on;
    const own = await ground.credential();
    const { csr } = await freshRequest();
    const type = "application/json";
    const bodies: readonly (readonly [body: string, type: string, code: string])[] = [
      ["{", type, "BODY_MALFORMED"],
      [JSON.stringify({ csr, profile: "server" }), type, "BODY_MALFORMED"],
      [JSON.stringify({ csr }), "text/plain", "BODY_MALFORMED"],
      [JSON.stringify({ csr: "x" }), type, "CSR_MALFORMED"],
      [JSON.stringify({ csr, notAfter: "soon" }), type, "VALIDITY_INVALID"],
      ["x".repeat(70_000), type, "BODY_TOO_LARGE"],
    ];
    for (const [body, as, code] of bodies) {
      const answer = await ground.ask(own, "", { body, headers: { "Content-Type": as } });
      expect(answer.json["code"], body.slice(0, 40)).toBe(code);
    }
    expect(await ground.database.renewals.byPredecessors([own.fingerprint as never])).toEqual([]);
    expect(await ground.call(await ground.renew(own))).toBe("200");
  });

  test("another method", async () => {
    const answer = await call(URL_OF(), { tls: tlsOf(await on.ground.credential()) });
    expect(answer).toMatchObject({ status: 405, json: { code: "METHOD_NOT_ALLOWED" } });
    expect(answer.headers["allow"]).toBe("POST");
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "one that was revoked since, on a resumed session of %s",
    async (version) => {
      const { ground } = on;
      const own = await ground.credential();
      const agent = keepAlive(own, { keepAlive: false, minVersion: version, maxVersion: version });
      const asking = () => ground.ask(own, "no CSR", { agent });
      expect(await asking()).toMatchObject({ resumedSession: false, json: { code: "CSR_MALFORMED" } });
      expect(await asking()).toMatchObject({ resumedSession: true, json: { code: "CSR_MALFORMED" } });
      await ground.revoke(own);
      await expect.poll(async () => (await asking()).json["code"]).toBe("CERT_REVOKED");
    },
  );
});
