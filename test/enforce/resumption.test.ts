import { once } from "node:events";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { type TLSSocket, connect } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { HOUR } from "../../src/domain/time.ts";
import { type Enforcer, createEnforcer } from "../../src/index.ts";
import { type TestCredential, enrolled } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { run } from "../support/run.ts";
import { serveHome, sharedServer } from "../support/server.ts";

// Who resumes a TLS session does so at the listener that it began at, with that listener's keys of the hour, and is
// decided on like anybody else.
const ca = sharedServer();
const versions = ["TLSv1.2", "TLSv1.3"] as const;
type Version = (typeof versions)[number];
let enforcer: Enforcer;
let caller: TestCredential;
beforeAll(async () => {
  enforcer = await createEnforcer({ home: ca.home });
  caller = await enrolled(ca, await ca.token("acme"));
});
const services: Server[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const service of services.splice(0)) {
    service.close();
    service.closeAllConnections();
  }
});
afterAll(() => enforcer.close());

/** A server of the library's. */
async function listening(settings: { readonly resumption?: false } = {}): Promise<[Server, string]> {
  const service = enforcer.createServer(
    (_request, response, { account }) => response.end(account),
    listenerCertificate(ca.home),
    settings,
  );
  services.push(service);
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  return [service, `https://127.0.0.1:${String((service.address() as AddressInfo).port)}`];
}

interface Visit {
  readonly reused: boolean;
  readonly answer: string;
  /** What it can resume from. */
  readonly session: Buffer;
}

/** One connection with one request. */
async function visit(url: string, version: Version, session?: Buffer, who = caller): Promise<Visit> {
  const { hostname: host, port } = new URL(url);
  const { key, cert, ca: trusted } = who;
  const versioned = { minVersion: version, maxVersion: version };
  const options = { host, port: Number(port), key, cert, ca: trusted, ...versioned };
  const socket: TLSSocket = connect({ ...options, ...(session && { session }) });
  const given = once(socket, "session") as Promise<[Buffer]>;
  await once(socket, "secureConnect");
  const reused = socket.isSessionReused();
  socket.write("GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  // Resumed from a session without a new ticket, TLS 1.2 gives none; its session is the one it came with.
  const latest = reused ? (session ?? Buffer.alloc(0)) : (await given)[0];
  given.catch(() => undefined);
  socket.destroy();
  return { reused, answer: answer.toString(), session: latest };
}

describe.each(versions)("on %s, a session", (version) => {
  test("is resumed at the listener that it began at", async () => {
    for (const url of [ca.enforce, ca.ca, (await listening())[1]]) {
      const { session, reused } = await visit(url, version);
      expect(reused).toBe(false);
      expect((await visit(url, version, session)).reused).toBe(true);
    }
  });

  test("is resumed at no other", async () => {
    const [[, one], [, two]] = [await listening(), await listening()];
    for (const [from, to] of [
      [ca.enforce, ca.ca],
      [ca.ca, ca.enforce],
      [ca.enforce, one],
      [one, two],
    ] as const) {
      const { session } = await visit(from, version);
      expect([from, to, (await visit(to, version, session)).reused]).toEqual([from, to, false]);
    }
  });

  test("is not resumed an hour later, with keys of before", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const [, url] = await listening();
    const { session } = await visit(url, version);
    vi.advanceTimersByTime(HOUR - 1);
    expect((await visit(url, version, session)).reused).toBe(true);
    vi.advanceTimersByTime(1);
    const after = await visit(url, version, session);
    expect(after).toMatchObject({ reused: false, answer: expect.stringMatching(/ 200 .*acme/s) as unknown });
    expect((await visit(url, version, after.session)).reused).toBe(true);
  });

  test("is not resumed after the server's certificate was renewed, whatever keys came with that", async () => {
    const [service, url] = await listening();
    const before = await visit(url, version);
    const options = enforcer.tlsOptions(listenerCertificate(ca.home));
    service.setSecureContext({ ...options, ticketKeys: Buffer.alloc(48, 7) });
    const between = await visit(url, version, before.session);
    expect(between.reused).toBe(false);
    service.setSecureContext(options);
    expect((await visit(url, version, between.session)).reused).toBe(false);
  });

  test("of before a revocation is resumed after it, and denied", async () => {
    const victim = await enrolled(ca, await ca.token("acme"));
    const [, url] = await listening();
    const { session } = await visit(url, version, undefined, victim);
    const theirs = await visit(ca.enforce, version, undefined, victim);
    await ca.admin("revoke", victim.fingerprint);
    for (const [at, saved] of [
      [url, session],
      [ca.enforce, theirs.session],
    ] as const) {
      await eventually(async () => {
        const { reused, answer } = await visit(at, version, saved, victim);
        expect(reused).toBe(true);
        expect(answer).toMatch(/ 403 .*"code":"CERT_REVOKED"/s);
      });
    }
  });

  test("is never resumed where resumption is off", async () => {
    const [, url] = await listening({ resumption: false });
    const { session } = await visit(url, version);
    expect((await visit(url, version, session)).reused).toBe(false);
  });
});

test("no session is resumed after another CA is trusted", async () => {
  const [service, url] = await listening();
  const visits = await Promise.all(versions.map((version) => visit(url, version)));
  const trusted = vi.spyOn(service, "setTicketKeys");
  await ca.admin("issuer", "create", "another");
  await eventually(() => {
    expect(trusted).toHaveBeenCalled();
  });
  for (const [index, version] of versions.entries()) {
    expect((await visit(url, version, visits[index]?.session)).reused).toBe(false);
  }
});

describe("openssl s_client", () => {
  /** Which connections it made, in order: New or Reused. */
  async function kinds(url: string, ...options: string[]): Promise<string[]> {
    const args = ["s_client", "-connect", new URL(url).host, ...options];
    const { stdout } = await run("openssl", args, { input: "Q\n" });
    return [...stdout.matchAll(/^(New|Reused), TLS/gm)].map(([, kind = ""]) => kind);
  }

  test("reconnects with its session, but not by a session id alone: nothing is kept of those", async () => {
    expect(await kinds(ca.enforce, "-tls1_2", "-reconnect")).toEqual([
      "New",
      ...Array<string>(5).fill("Reused"),
    ]);
    const byId = await kinds(ca.enforce, "-tls1_2", "-no_ticket", "-reconnect");
    expect(byId).toEqual(Array<string>(6).fill("New"));
  });

  test("never does under --no-resumption", async () => {
    const strict = await serveHome(ca.workspace, { serve: ["--no-resumption"] });
    try {
      for (const url of [strict.enforce, strict.ca]) {
        expect(await kinds(url, "-tls1_2", "-reconnect")).toEqual(Array<string>(6).fill("New"));
        const { session } = await visit(url, "TLSv1.3");
        expect((await visit(url, "TLSv1.3", session)).reused).toBe(false);
      }
    } finally {
      await strict.stop();
    }
  });
});
