import type { ConnectionOptions } from "node:tls";
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

test("of a resumed session of TLS 1.2, Node tells no name: any one host, as long as it is one", async () => {
  const options: ConnectionOptions = {
    ...{ servername: "service.internal", checkServerIdentity: () => undefined },
    maxVersion: "TLSv1.2",
  };
  const first = await ground.connect(ground.good, options);
  expect(saidIn(await ask(first, "GET / HTTP/1.1\r\nHost: service.internal"))).toBe("200 acme");
  const session = first.getSession();
  first.destroy();
  if (!session) throw new Error("there is no session");
  const socket = await ground.connect(ground.good, { ...options, session });
  expect(socket.isSessionReused()).toBe(true);
  expect(saidIn(await ask(socket, "GET / HTTP/1.1\r\nHost: service.internal"))).toBe("200 acme");
  const twice = "GET / HTTP/1.1\r\nHost: service.internal\r\nHost: other.internal";
  expect(saidIn(await ask(socket, twice))).toMatch(/^4(?:00|21)/);
  socket.destroy();
});
