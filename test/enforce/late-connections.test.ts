import { once } from "node:events";
import { type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { type TLSSocket, connect } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { type Fingerprint, parseFingerprint } from "../../src/domain/identifiers.ts";
import type { Database } from "../../src/domain/ports.ts";
import type { Change } from "../../src/domain/records.ts";
import { Authenticator } from "../../src/enforce/authenticator.ts";
import { createEnforceListener } from "../../src/enforce/listener.ts";
import { openState, systemClock, systemSteadyClock } from "../../src/home/open.ts";
import { revoke } from "../../src/services/revocation.ts";
import { eventually } from "../support/eventually.ts";
import { freshHome } from "../support/fresh-home.ts";
import { expiredSelfSigned } from "../support/library-certificates.ts";
import { issuedAt, listenerCertificate, makeTokens } from "../support/own-issuer.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

// A server whose look-ups fail and whose changes can be held back: what a database in trouble does to it.
let workspace: Workspace;
let home: string;
let database: Database;
let authenticator: Authenticator;
let server: Server;
let isHeld = false;
const lookedUp: Fingerprint[] = [];
beforeAll(async () => {
  workspace = await makeWorkspace();
  home = workspace.file("home");
  await freshHome(home);
  await makeTokens(home, "acme", 2);
  database = await openState(resolveConfig(home, {}, {}, readConfigFile(home)));
  const { certificates, changes } = database;
  const troubled: Database = {
    ...database,
    certificates: {
      ...certificates,
      credentials(fingerprints) {
        lookedUp.push(...fingerprints);
        if (isHeld) return Promise.reject(new Error("the database is in trouble"));
        return certificates.credentials(fingerprints);
      },
    },
    changes: {
      ...changes,
      after: (...args) => (isHeld ? Promise.resolve<Change[]>([]) : changes.after(...args)),
    },
  };
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const identity = { id: "late", pid: process.pid, host: "test" };
  authenticator = await Authenticator.start({
    ...{ database: troubled, clock: systemClock, validityClock: systemSteadyClock(), logger, identity },
  });
  server = createEnforceListener({
    authenticator,
    certificate: listenerCertificate(home),
    logger,
    handler: (_request, response) => response.end("hello"),
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await authenticator.close();
  await database.close();
  await workspace.remove();
});

async function connected(tls: { key: string; cert: string }): Promise<TLSSocket> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: "127.0.0.1", port, ...tls, rejectUnauthorized: false });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return socket;
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString().split(" ")[1] ?? "";
}

test("a connection that could not be placed at its handshake is ended by a revocation all the same", async () => {
  isHeld = true;
  const { key, cert, fingerprint } = await issuedAt(home, "acme", 0);
  const socket = await connected({ key, cert });
  expect(await ask(socket)).toBe("503");
  expect(authenticator.connections.openConnections).toBe(0);
  isHeld = false;
  await eventually(async () => {
    expect(await ask(socket)).toBe("200");
  });
  expect(authenticator.connections.openConnections).toBe(1);
  const closed = once(socket, "close");
  const id = { fingerprint: parseFingerprint(fingerprint) };
  await revoke(database, { clock: systemClock, actor: "test" }, id, "keyCompromise");
  await closed;
});

test("what this process has revoked is refused before it is read as a change", async () => {
  const { key, cert, fingerprint } = await issuedAt(home, "acme", 1);
  const socket = await connected({ key, cert });
  expect(await ask(socket)).toBe("200");
  isHeld = true;
  const id = { fingerprint: parseFingerprint(fingerprint) };
  await revoke(database, { clock: systemClock, actor: "test" }, id, "keyCompromise");
  expect(await ask(socket)).toBe("403");
  isHeld = false;
  await once(socket, "close");
});

test("strangers with expired certificates of their own cost no look-up", async () => {
  const before = lookedUp.length;
  const socket = await connected(await expiredSelfSigned());
  expect(await ask(socket)).toBe("401");
  expect(lookedUp).toHaveLength(before);
});
