import { once } from "node:events";
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createEnforcer } from "../../src/index.ts";
import { readCrl } from "../../src/x509/crl-reader.ts";
import { type TestCredential, call, enrolled, freshRequest, requestCertificate } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { TestDatabase, databaseKinds } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { listenerCertificate, makeTokens } from "../support/own-issuer.ts";
import { backUp, fromOutside } from "../support/restored.ts";
import { countersign } from "../support/run.ts";
import { type TestServer, serveHome, startTestServer } from "../support/server.ts";

async function started(...args: Parameters<typeof startTestServer>): Promise<TestServer> {
  const server = await startTestServer(...args);
  onTestFinished(async () => {
    if (server.process.exitCode === null && server.process.signalCode === null) await server.kill();
    await server.workspace.remove();
  });
  return server;
}

/** Serves a home again that is to be served. */
async function again({ workspace }: TestServer, env: NodeJS.ProcessEnv, ...flags: string[]) {
  const server = await serveHome(workspace, { env, serve: flags });
  onTestFinished(async () => {
    if (server.process.exitCode === null) await server.stop();
  });
  return server;
}

/** What becomes of an attempt to serve a home that is not to be served. */
async function refused(
  { home }: TestServer,
  env: NodeJS.ProcessEnv,
  code = "STATE_WENT_BACK",
): Promise<string> {
  const ports = ["ca", "enforce", "public", "metrics"].flatMap((name) => [`--${name}-listen`, "127.0.0.1:0"]);
  const ran = await countersign(["serve", "--json", "--home", home, ...ports], {
    env: { ...process.env, ...env },
    timeout: 100_000, // should it be served after all
  });
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).toContain(`"${code}"`);
  return ran.stderr;
}

async function crlOf(server: TestServer) {
  const [issuer] = (await admin(server.home, "issuer", "list")) as unknown as { id: string }[];
  const crl = await fetch(`${server.public}/crl/${issuer?.id ?? ""}.crl`);
  const certificate = Buffer.from(
    await (await fetch(`${server.public}/issuers/${issuer?.id ?? ""}.crt`)).bytes(),
  );
  return readCrl(Buffer.from(await crl.bytes()), certificate);
}

const lastSeen = ({ home }: TestServer) => join(home, "last-seen.json");
const seen = (server: TestServer) =>
  JSON.parse(readFileSync(lastSeen(server), "utf8")) as {
    mark: { sequence: number };
    crls: Record<string, number>;
  };

async function codeOf(url: string, { key, cert, ca }: TestCredential): Promise<unknown> {
  const { status, json } = await call(url, { tls: { key, cert, ca } });
  return status === 200 ? "ALLOWED" : json["code"];
}

/** Waits for as long as a process of its own may take. */
const soon = (check: () => void | Promise<void>) => eventually(check);

describe.each(databaseKinds)("the database goes back under running servers, %s", (kind) => {
  test("who was revoked stays refused, new revocations apply, and the next start is refused", async () => {
    const own = new TestDatabase(kind);
    onTestFinished(() => own.remove());
    await own.create();
    const env = "url" in own.location ? { COUNTERSIGN_DATABASE_URL: own.location.url } : {};
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const server = await started({ env });
    const db = kind === "SQLite" ? fromOutside(join(server.home, "countersign.sqlite")) : own;
    const errors: string[] = [];
    const enforcer = await createEnforcer({
      home: server.home,
      logger: {
        info: () => undefined,
        warn: () => undefined,
        error: (_fields, message) => errors.push(message),
      },
    });
    const service = enforcer.createServer((_request, response) => {
      response.end("{}");
    }, listenerCertificate(server.home));
    onTestFinished(async () => {
      service.closeAllConnections();
      service.close();
      await enforcer.close();
    });
    await once(service.listen(0, "127.0.0.1"), "listening");
    const port = String((service.address() as AddressInfo).port);
    const urls = [`${server.enforce}/whoami`, `https://127.0.0.1:${port}/`];
    const codes = (credential: TestCredential) => Promise.all(urls.map((url) => codeOf(url, credential)));

    await admin(server.home, "account", "create", "acme");
    const one = async () =>
      enrolled(server, String((await admin(server.home, "token", "create", "acme"))["token"]));
    const [revoked, next, good] = [await one(), await one(), await one()];
    const restore = await backUp(db);
    const unknown = await one();
    expect(await admin(server.home, "revoke", revoked.fingerprint)).toMatchObject({ servers: 2, late: 0 });
    await soon(async () => {
      expect((await crlOf(server)).entries).toHaveLength(1);
    });
    const { number } = await crlOf(server);
    await restore();
    // At once, and again afterwards: when it is said to be applied, it is.
    const said = await admin(server.home, "revoke", next.fingerprint);
    expect(said["servers"]).toBe(2);
    expect(await codes(next)).toEqual(["CERT_REVOKED", "CERT_REVOKED"]);
    expect(server.log()).toContain("the database went back");
    expect(errors.filter((message) => message.startsWith("the database went back"))).toHaveLength(1);
    expect(await codes(revoked)).toEqual(["CERT_REVOKED", "CERT_REVOKED"]);
    expect(server.log()).toContain(revoked.fingerprint);
    expect(await codes(good)).toEqual(["ALLOWED", "ALLOWED"]);
    expect(await codes(unknown)).toEqual(["CERT_UNKNOWN", "CERT_UNKNOWN"]);
    await soon(async () => {
      const crl = await crlOf(server);
      expect(crl.number).toBeGreaterThan(number);
      expect(crl.entries.map(({ serial }) => String(serial))).toContain(next.serial);
    });
    expect(await admin(server.home, "revoke", revoked.fingerprint)).toMatchObject({ servers: 2, late: 0 });
    await server.stop();
    expect(await refused(server, env)).toMatch(/The database went back: its (last )?change/);
    const restarted = await again(server, env, "--accept-older-state");
    expect(await codeOf(`${restarted.enforce}/whoami`, revoked)).toBe("CERT_REVOKED");
  });
});

describe("a backup is restored while no server runs", () => {
  const file = ({ home }: TestServer) => join(home, "countersign.sqlite");

  test("it is not served until that is accepted, although the server was killed", async () => {
    let server = await started();
    const [first = "", used = "", open = ""] = await makeTokens(server.home, "acme", 3);
    const caller = await enrolled(server, first);
    const db = fromOutside(file(server));
    await db.raw.raw("PRAGMA wal_checkpoint(TRUNCATE)");
    copyFileSync(file(server), server.workspace.file("backup.sqlite"));
    await admin(server.home, "revoke", caller.fingerprint);
    await enrolled(server, used);
    await soon(async () => {
      expect((await crlOf(server)).entries).toHaveLength(1);
    });
    const { number, issuerId } = await crlOf(server);
    expect(seen(server).crls[issuerId]).toBe(number); // before anybody got it
    await soon(async () => {
      const row = await db.raw<{ last: number }>("sequence").first();
      expect(seen(server).mark.sequence).toBe(row?.last);
    });
    await db.raw.destroy();
    await server.kill();
    expect(statSync(lastSeen(server)).mode & 0o777).toBe(0o600);
    for (const journal of ["-wal", "-shm"]) rmSync(file(server) + journal, { force: true });
    copyFileSync(server.workspace.file("backup.sqlite"), file(server));

    const message = await refused(server, {});
    expect(message).toContain("--accept-older-state");
    expect(message).toContain(`but ${String(number)} was served`);
    await expect(createEnforcer({ home: server.home })).rejects.toMatchObject({ code: "STATE_WENT_BACK" });

    server = await again(server, {}, "--accept-older-state");
    expect((await crlOf(server)).number).toBeGreaterThan(number);
    for (const token of [used, open]) {
      const answer = await requestCertificate(server, token, { csr: (await freshRequest()).csr });
      expect(answer.json["code"]).toBe("TOKEN_REVOKED");
    }
    await server.stop();
    server = await again(server, {});
    await (await createEnforcer({ home: server.home })).close();
  });

  test("a home without a file of what was seen is served, and one whose file is damaged is not", async () => {
    let server = await started();
    await server.stop();
    rmSync(lastSeen(server));
    server = await again(server, {});
    const text = readFileSync(lastSeen(server), "utf8");
    await server.stop();
    writeFileSync(lastSeen(server), text.slice(0, 40));
    expect(await refused(server, {}, "CONFIG_INVALID")).toContain("last-seen.json is damaged");
    await again(server, {}, "--accept-older-state");
    expect(seen(server).mark.sequence).toBeGreaterThan(0);
  });
});
