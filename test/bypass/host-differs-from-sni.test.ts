import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test.each([
  ["another host", "Host: other.internal", "421 MISDIRECTED"],
  ["a name that begins the same", "Host: service.internal.evil.example", "421 MISDIRECTED"],
  ["the name below a wildcard", "Host: *.internal", "421 MISDIRECTED"],
  ["an address", "Host: 127.0.0.1", "421 MISDIRECTED"],
  ["the same, in capitals, with a dot and a port", "Host: SERVICE.internal.:9443", "200 acme"],
])("SNI names service.internal, Host %s", async (_name, host, said) => {
  const socket = await ground.connect(ground.good, {
    servername: "service.internal",
    checkServerIdentity: () => undefined,
  });
  expect(saidIn(await ask(socket, `GET / HTTP/1.1\r\n${host}`))).toBe(said);
  socket.destroy();
});

test("without SNI, a name was not meant", async () => {
  const socket = await ground.connect(ground.good);
  expect(saidIn(await ask(socket, "GET / HTTP/1.1\r\nHost: service.internal"))).toBe("421 MISDIRECTED");
});
