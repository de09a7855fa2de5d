import { once } from "node:events";
import { beforeAll, expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();
let url: string;
const taken: string[] = [];
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const server = enforcer.createServer(
    (_request, response, { account }) => response.end(account),
    certificate,
  );
  enforcer.upgrade(server, (_request, socket, _head, caller) => {
    taken.push(caller.account);
    socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  });
  url = await ground.scene.listen(server);
});
const upgrade = "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket";

test("an upgrade is decided on before anybody has the socket", async () => {
  expect(await ask(await ground.connect(ground.good, {}, url), upgrade)).toMatch(/^HTTP\/1\.1 101 /);
  const nobody = await ground.connect({}, {}, url);
  const closed = once(nobody, "close");
  expect(saidIn(await ask(nobody, upgrade))).toBe("401 CERT_REQUIRED");
  await closed;
  expect(taken).toEqual(["acme"]);
});

test("where nobody takes upgrades, one is a request like any other", async () => {
  expect(saidIn(await ask(await ground.connect({}), upgrade))).toBe("401 CERT_REQUIRED");
});
