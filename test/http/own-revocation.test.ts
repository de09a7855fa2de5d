import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TLSSocket, connect } from "node:tls";
import { describe, expect, test } from "vitest";
import {
  type TestCredential,
  type TestRequest,
  call,
  enrolled,
  freshRequest,
  keepAlive,
} from "../support/client.ts";
import { runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
const from = async (account: string): Promise<TestCredential> =>
  enrolled(server, await server.token(account));
const path = (id: string): string => `${server.ca}/v1/certificates/${id}/revoke`;
const tlsOf = ({ key, cert, ca }: TestCredential) => ({ key, cert, ca });
const post = (id: string, credential: TestCredential | undefined, body: unknown = {}, as: TestRequest = {}) =>
  call(path(id), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    tls: credential ? tlsOf(credential) : { ca: readFileSync(server.root) },
    ...as,
  });
const whoami = (credential: TestCredential) => call(`${server.enforce}/whoami`, { tls: tlsOf(credential) });
const record = (id: string) => server.admin("show", id);

describe("a credential revokes itself", () => {
  test("by fingerprint: its next call is refused, on the connection that is open as well", async () => {
    const [own, other] = [await from("holder"), await from("holder")];
    const [agent, bystander] = [keepAlive(own), keepAlive(other)];
    for (const each of [agent, bystander]) {
      expect((await call(`${server.enforce}/whoami`, { agent: each })).status).toBe(200);
    }
    const { fingerprint, serial } = own;
    const answer = await post(fingerprint, own, { reason: "keyCompromise" });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ fingerprint, serial, status: "revoked", reason: "keyCompromise" });
    expect(answer.headers).toMatchObject({ "cache-control": "no-store", connection: "close" });

    const told = await call(`${server.enforce}/whoami`, { agent });
    expect(told).toMatchObject({ status: 403, reusedSocket: true, json: { code: "CERT_REVOKED" } });
    expect(await call(`${server.enforce}/whoami`, { agent: bystander })).toMatchObject({
      status: 200,
      reusedSocket: true,
    });
    expect(await record(fingerprint)).toMatchObject({
      ...{ status: "revoked", reason: "keyCompromise", statusBy: `credential:${fingerprint}` },
    });
    expect((await record(other.fingerprint))["status"]).toBe("active");
    expect(server.log()).toContain("a credential has revoked itself");
    agent.destroy();
    bystander.destroy();
  });

  test("by serial, in another form, and without a reason", async () => {
    const own = await from("holder");
    const id = `dec:${BigInt(`0x${own.serial}`).toString()}`;
    expect((await post(encodeURIComponent(id), own)).json).toMatchObject({ reason: "unspecified" });
    const again = await post(own.serial, own);
    expect(again).toMatchObject({ status: 403, json: { code: "CERT_REVOKED" } });
  });

  test("with curl", async () => {
    const own = await from("holder");
    const [key, cert] = [server.workspace.file("own.key"), server.workspace.file("own.crt")];
    writeFileSync(key, own.key, { mode: 0o600 });
    writeFileSync(cert, own.cert);
    const args = ["-sS", "--fail-with-body", "--cacert", server.root, "--cert", cert, "--key", key];
    const json = ["-H", "Content-Type: application/json", "-d", '{"reason":"superseded"}'];
    expect(JSON.parse(await runOk("curl", [...args, ...json, path(own.fingerprint)]))).toMatchObject({
      status: "revoked",
    });
    expect((await whoami(own)).json["code"]).toBe("CERT_REVOKED");
  });

  test("whose issuing CA was installed while the server ran", async () => {
    await server.token("holder");
    await server.admin("issuer", "create", "second");
    const profile = JSON.parse(readFileSync(join(server.home, "profiles", "client.json"), "utf8")) as object;
    writeFileSync(
      join(server.home, "profiles", "second.json"),
      JSON.stringify({ ...profile, issuer: "second" }),
    );
    const { key, csr } = await freshRequest();
    const file = server.workspace.file("second.csr");
    writeFileSync(file, csr);
    const made = await server.admin("sign", file, "--account", "holder", "--profile", "second");
    const own = {
      ...{ key, cert: String(made["certificate"]), ca: readFileSync(server.root) },
      ...{ fingerprint: String(made["fingerprint"]), serial: String(made["serial"]) },
    };
    await expect.poll(async () => (await whoami(own)).status).toBe(200);
    expect((await post(own.fingerprint, own)).status).toBe(200);
  });
});

describe("is refused", () => {
  test("without a certificate: 401, and how to come", async () => {
    const own = await from("victim");
    const answer = await post(own.fingerprint, undefined, { reason: "superseded" });
    expect(answer).toMatchObject({ status: 401, json: { code: "CERT_REQUIRED" } });
    expect(answer.headers["www-authenticate"]).toBe('Certificate realm="countersign"');
    expect((await whoami(own)).status).toBe(200);
  });

  test("any other: the same answer, whether there is one or not", async () => {
    const [own, other] = [await from("nosy"), await from("victim")];
    const listed = (await server.admin("list")) as unknown as { fingerprint: string; account?: string }[];
    const listener = listed.find(({ account }) => account === undefined)?.fingerprint ?? "";
    const ids = [
      other.fingerprint,
      other.serial,
      listener,
      "0".repeat(64),
      "1",
      "f".repeat(40),
      "me",
      "%00",
      "dec:",
    ];
    for (const id of ids) {
      const answer = await post(id, own, { reason: "keyCompromise" });
      const { requestId, ...problem } = answer.json;
      expect(requestId).toBeTypeOf("string");
      expect(problem, id).toEqual({
        type: "urn:countersign:NOT_OWN_CREDENTIAL",
        title: "not own credential",
        status: 403,
        code: "NOT_OWN_CREDENTIAL",
        detail: "A credential may revoke itself, and no other.",
      });
    }
    expect((await whoami(own)).status).toBe(200);
    expect((await whoami(other)).status).toBe(200);
  });

  test("a certificate that somebody else's CA has signed", async () => {
    const own = await from("victim");
    const [key, cert] = [server.workspace.file("fake.key"), server.workspace.file("fake.crt")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    await runOk("openssl", ["req", "-x509", ...curve, "-subj", "/CN=victim", "-keyout", key, "-out", cert]);
    const fake = { ...own, key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
    const answer = await post(own.fingerprint, fake);
    expect(answer).toMatchObject({ status: 401, json: { code: "CERT_UNTRUSTED" } });
    expect((await whoami(own)).status).toBe(200);
  });

  test("one that is suspended, or whose account is, also on a connection that asked before", async () => {
    const own = await from("held");
    const agent = keepAlive(own);
    const asking = () => post(own.fingerprint, own, { reason: "no such" }, { agent });
    expect((await asking()).json["code"]).toBe("REASON_UNKNOWN");
    await server.admin("suspend", own.fingerprint);
    expect(await asking()).toMatchObject({
      status: 403,
      reusedSocket: true,
      json: { code: "CERT_SUSPENDED" },
    });
    await server.admin("resume", own.fingerprint);
    await server.admin("account", "suspend", "held");
    expect(await asking()).toMatchObject({ status: 403, json: { code: "ACCOUNT_SUSPENDED" } });
    agent.destroy();
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "one that was revoked since, on a resumed session of %s",
    async (version) => {
      const own = await from("resumed");
      const agent = keepAlive(own, { keepAlive: false, minVersion: version, maxVersion: version });
      const asking = () => post(own.fingerprint, own, { reason: "no such" }, { agent });
      expect(await asking()).toMatchObject({ resumedSession: false, json: { code: "REASON_UNKNOWN" } });
      expect(await asking()).toMatchObject({ resumedSession: true, json: { code: "REASON_UNKNOWN" } });
      await server.admin("revoke", own.fingerprint);
      expect(await asking()).toMatchObject({ resumedSession: true, json: { code: "CERT_REVOKED" } });
    },
  );

  test.each([
    ["a reason that is the CA's to give", { reason: "cACompromise" }, "REASON_UNKNOWN"],
    ["an unused reason code", { reason: "7" }, "REASON_UNKNOWN"],
    ["a hold", { reason: "certificateHold" }, "REASON_UNKNOWN"],
    ["a reason that is a number", { reason: 1 }, "BODY_MALFORMED"],
    ["a field that is not known", { reason: "superseded", for: "all" }, "BODY_MALFORMED"],
    ["no object", [], "BODY_MALFORMED"],
  ])("%s", async (_name, body, code) => {
    const own = await from("odd");
    expect(await post(own.fingerprint, own, body)).toMatchObject({ status: 400, json: { code } });
    expect((await whoami(own)).status).toBe(200);
  });

  test.each([
    ["no JSON", "{", "application/json", 400, "BODY_MALFORMED"],
    ["another type", "{}", "text/plain", 400, "BODY_MALFORMED"],
    [
      "a body that is too large",
      `{"reason":"${"a".repeat(70_000)}"}`,
      "application/json",
      413,
      "BODY_TOO_LARGE",
    ],
  ])("%s", async (_name, body, type, status, code) => {
    const own = await from("odd");
    const answer = await post(own.fingerprint, own, {}, { body, headers: { "Content-Type": type } });
    expect(answer).toMatchObject({ status, json: { code } });
    expect((await whoami(own)).status).toBe(200);
  });

  test("another method, or path", async () => {
    const own = await from("odd");
    const get = await call(path(own.fingerprint), { tls: tlsOf(own) });
    expect(get).toMatchObject({ status: 405, json: { code: "METHOD_NOT_ALLOWED" } });
    expect(get.headers["allow"]).toBe("POST");
    expect(await post(`${own.fingerprint}/x`, own)).toMatchObject({
      status: 404,
      json: { code: "NOT_FOUND" },
    });
    expect((await post("%zz", own)).json["code"]).toBe("NOT_FOUND");
    expect((await whoami(own)).status).toBe(200);
  });
});

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "a session of the enforcement listener is not resumed here, on %s",
  async (version) => {
    const own = await from("crossing");
    const options = { ...tlsOf(own), minVersion: version, maxVersion: version };
    const connectTo = (url: string, session?: Buffer): Promise<TLSSocket> =>
      new Promise((resolve, reject) => {
        const { hostname: host, port } = new URL(url);
        const socket = connect({ ...options, host, port: Number(port), ...(session && { session }) }, () => {
          resolve(socket);
        });
        socket.once("error", reject);
      });
    const first = await connectTo(server.enforce);
    const session = new Promise<Buffer>((resolve) => first.once("session", resolve));
    first.write("GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    first.resume();
    const saved = version === "TLSv1.2" ? (first.getSession() ?? Buffer.alloc(0)) : await session;
    first.destroy();
    const [same, other] = [await connectTo(server.enforce, saved), await connectTo(server.ca, saved)];
    expect([same.isSessionReused(), other.isSessionReused()]).toEqual([true, false]);
    same.destroy();
    other.destroy();
  },
);

test("who enrols with a certificate in the handshake enrols by the token, as without one", async () => {
  const own = await from("again");
  const { csr } = await freshRequest();
  const token = await server.token("again");
  const answer = await call(`${server.ca}/v1/certificates`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ csr }),
    tls: tlsOf(own),
  });
  expect(answer.status).toBe(201);
});
