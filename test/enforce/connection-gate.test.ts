import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { Server } from "node:https";
import { type AddressInfo, type Socket, connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Enforcer, type Limits, createEnforcer } from "../../src/index.ts";
import { changeConfig } from "../support/change-config.ts";
import { type DeepChain, deepChain } from "../support/deep-chain.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { freshHome } from "../support/fresh-home.ts";
import { type TestCredential, call, keepAlive } from "../support/client.ts";
import { issuedAt, listenerCertificate, makeTokens } from "../support/own-issuer.ts";
import { serveHome } from "../support/server.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

// Overload is kept off new connections' account: who is in already goes on, and one address does not keep another out.
let workspace: Workspace;
let enforcer: Enforcer;
let caller: TestCredential;
let deep: DeepChain;
const warned: unknown[][] = [];
beforeAll(async () => {
  workspace = await makeWorkspace();
  const home = workspace.file("home");
  await freshHome(home);
  await makeTokens(home, "acme", 1);
  caller = await issuedAt(home, "acme", 0);
  deep = await deepChain(102);
  writeFileSync(workspace.file("deep.crt"), deep.root);
  changeConfig(home, { trust: [{ name: "deep", ca: workspace.file("deep.crt") }] });
  const warn = (...said: unknown[]): void => void warned.push(said);
  const logger = { info: () => undefined, warn, error: () => undefined };
  enforcer = await createEnforcer({ home, logger });
});
const services: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const service of services.splice(0)) {
    service.close();
    service.closeAllConnections();
  }
});
afterAll(async () => {
  await enforcer.close();
  await workspace.remove();
});

/** A server with these limits; returns its URL. */
async function listening(limits: Partial<Limits>, host = "127.0.0.1"): Promise<string> {
  const service = enforcer.createServer(
    (_request, response, { account }) => response.end(account),
    listenerCertificate(workspace.file("home")),
    { limits },
  );
  services.push(service);
  service.listen(0, host);
  await once(service, "listening");
  return `https://127.0.0.1:${String((service.address() as AddressInfo).port)}`;
}

/** Connections that say nothing. */
async function silent(url: string, count: number, localAddress = "127.0.0.1"): Promise<Socket[]> {
  const { hostname: host, port } = new URL(url);
  const made = Array.from({ length: count }, () => connectTcp({ host, port: Number(port), localAddress }));
  sockets.push(...made);
  for (const socket of made) socket.on("error", () => undefined).resume();
  await Promise.all(made.map((socket) => once(socket, "connect").catch(() => undefined)));
  return made;
}

/** Waits until so many of them are closed, and not one more. */
async function untilClosed(made: readonly Socket[], count: number): Promise<void> {
  await eventually(() => {
    expect(made.filter(({ closed }) => closed)).toHaveLength(count);
  });
}

const from = (localAddress: string) => ({ ...caller, localAddress });

describe("half-open connections of one address", () => {
  const limits = { handshakes: 4, handshakesPerAddress: 2, waiting: 8 };

  test("keep no other address out, and nobody who is in already", async () => {
    const url = await listening(limits);
    const inside = keepAlive(caller);
    expect((await call(url, { agent: inside })).text).toBe("acme");
    const flood = await silent(url, 20);
    await untilClosed(flood, 20 - 2 - 4); // two under way, four waiting
    expect(await call(url, { agent: inside })).toMatchObject({ status: 200, reusedSocket: true });
    expect(await call(url, { tls: from("127.0.0.2") })).toMatchObject({ status: 200, text: "acme" });
    for (const socket of flood) socket.resetAndDestroy();
    await eventually(async () => {
      expect(await call(url, { tls: from("127.0.0.1") })).toMatchObject({ status: 200, text: "acme" });
    });
    inside.destroy();
  });

  test("are told apart that come from one address and port to several of ours", async () => {
    const url = await listening({ handshakes: 4, handshakesPerAddress: 2 }, "0.0.0.0");
    const port = Number(new URL(url).port);
    const inside = keepAlive({ ...caller }, { localAddress: "127.0.0.1" });
    expect((await call(url, { agent: inside })).text).toBe("acme");
    const localPort = await freePort();
    const twins = ["127.0.0.1", "127.0.0.2"].map((host) => {
      return connectTcp({ host, port, localAddress: "127.0.0.1", localPort }).on("error", () => undefined);
    });
    sockets.push(...twins);
    await Promise.all(twins.map((socket) => once(socket, "connect")));
    for (const socket of twins) socket.destroy();
    // What they took is free again, although that address is still in.
    const silentNow = await silent(url, 1);
    expect((await call(url, { tls: from("127.0.0.1") })).status).toBe(200);
    expect(silentNow[0]?.closed).toBe(false);
    inside.destroy();
  });

  test("of many addresses: beyond what may be under way and wait, connections are closed at once", async () => {
    const url = await listening(limits);
    const flood: Socket[] = [];
    for (let i = 1; i <= 6; i++) flood.push(...(await silent(url, 6, `127.0.0.${String(i)}`)));
    await untilClosed(flood, 36 - 4 - 8);
    await expect(call(url, { tls: from("127.0.0.7") })).rejects.toThrow();
  });

  test("are cut after a time, and who waited behind them too; the log says so once, with how many", async () => {
    const url = await listening({ ...limits, handshakeTime: 2000 });
    warned.length = 0;
    const flood = await silent(url, 20);
    await untilClosed(flood, 14);
    const waiting = call(url, { tls: from("127.0.0.2") });
    expect((await waiting).status).toBe(200);
    await eventually(() => {
      expect(flood.every(({ closed }) => closed)).toBe(true);
    });
    expect((await call(url, { tls: from("127.0.0.1") })).status).toBe(200);
    await eventually(() => {
      expect(warned[0]).toMatchObject([{ count: expect.any(Number) as unknown }, /closed before/]);
      // Two that waited until there was no time left for them.
      const [{ shed }] = warned.at(-1) as [{ shed: Record<string, number> }];
      expect(shed["time"]).toBeGreaterThanOrEqual(2);
    });
    expect(warned.length).toBeLessThan(5);
  });
});

test("who resets the connection while it waits leaves nothing behind", async () => {
  const url = await listening({ handshakes: 1, handshakesPerAddress: 1, waiting: 2 });
  const [first, second] = await silent(url, 2);
  for (const socket of [second, first]) {
    socket?.write("\x16\x03\x01");
    socket?.resetAndDestroy();
  }
  expect((await call(url, { tls: from("127.0.0.1") })).status).toBe(200);
});

test("many handshakes at once all come to their end", async () => {
  const url = await listening({ handshakes: 4, handshakesPerAddress: 2, waiting: 200 });
  const calls = Array.from({ length: 60 }, () => call(url, { tls: from("127.0.0.1") }));
  expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set([200]));
});

describe("open connections", () => {
  test("of one address: no more than its limit, and one more when one closes", async () => {
    const url = await listening({ connectionsPerAddress: 2 });
    const [one, two] = [keepAlive(caller), keepAlive(caller)];
    for (const agent of [one, two]) expect((await call(url, { agent })).status).toBe(200);
    await expect(call(url, { tls: from("127.0.0.1") })).rejects.toThrow();
    expect((await call(url, { tls: from("127.0.0.2") })).status).toBe(200);
    one.destroy();
    await eventually(async () => {
      expect((await call(url, { tls: from("127.0.0.1") })).status).toBe(200);
    });
    two.destroy();
  });
});

test("a chain of more than 100 KiB is refused in the handshake, and the server goes on", async () => {
  const url = await listening({});
  const { port } = new URL(url);
  const issuer = caller.cert.slice(caller.cert.indexOf("-----END CERTIFICATE-----") + 26);
  for (const [repeated, isLetIn] of [
    [50, true],
    [250, false],
  ] as const) {
    const cert = caller.cert + issuer.repeat(repeated);
    const socket = connectTls({ host: "127.0.0.1", port: Number(port), ...caller, cert });
    const outcome = new Promise((resolve) => {
      socket.on("data", (answer: Buffer) => {
        resolve(answer.toString().includes(" 200 "));
      });
      socket.on("error", () => {
        resolve(false);
      });
    });
    socket.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    expect(await outcome).toBe(isLetIn);
    socket.destroy();
  }
  expect((await call(url, { tls: from("127.0.0.1") })).status).toBe(200);
});

test.each([
  [101, "CERT_UNKNOWN"], // verified, and not on record
  [102, "CERT_UNTRUSTED"],
])("of a chain of %i CA certificates, no more than 100 are looked at below the root", async (cas, code) => {
  const { key, cert } = await deep.below(cas);
  expect(Buffer.byteLength(cert)).toBeLessThan(100 * 1024); // in DER less still: it is not its size
  const url = await listening({});
  expect((await call(url, { tls: { ...caller, key, cert } })).json["code"]).toBe(code);
  expect((await call(url, { tls: caller })).status).toBe(200);
});

test("a limit that cannot be is refused", () => {
  const certificate = listenerCertificate(workspace.file("home"));
  const limits = { handshakes: 0, waiting: Number.NaN, handshake: 1, idleTime: 65 };
  const creating = (): Server => enforcer.createServer(() => undefined, certificate, { limits });
  const faults = [
    "limits.handshakes: not a whole number from 1 to 1000000",
    "limits.waiting: not a whole number from 1 to 1000000",
    "limits.handshake: no such limit",
    "limits.idleTime: not a number of milliseconds from 1000 to 600000",
  ];
  const message = `What createServer() was given is not valid: ${faults.join("; ")}.`;
  expect(creating).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", message }) as Error);
});

test("serve takes limits from its variables for both TLS listeners, and counts what it closed", async () => {
  const env = { COUNTERSIGN_LIMIT_HANDSHAKES_PER_ADDRESS: "1", COUNTERSIGN_LIMIT_WAITING: "2" };
  const server = await serveHome(workspace, { env });
  try {
    for (const listener of ["enforce", "ca"] as const) {
      await untilClosed(await silent(server[listener], 5), 3);
    }
    const shown = await (await fetch(`${server.metrics}/metrics`)).text();
    for (const listener of ["enforce", "ca"]) {
      expect(shown).toContain(`countersign_handshakes_open{listener="${listener}"} 1\n`);
      const shed = `countersign_handshakes_shed_total{listener="${listener}",reason="waiting-of-address"} 3\n`;
      expect(shown).toContain(shed);
    }
  } finally {
    await server.kill();
  }
});
