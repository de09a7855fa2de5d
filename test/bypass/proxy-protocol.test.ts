import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

const written = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n";
const binary = Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c00002029c4001bb", "hex");

// As a balancer would say it in front of a caller's handshake; whoever reaches the port can.
test.each([
  ["text", written],
  ["octets", binary],
])("an address that is claimed before TLS (PROXY protocol, %s) is not believed", async (_form, header) => {
  const { key, cert, ca } = ground.good;
  const { hostname: host, port } = new URL(ground.url);
  const socket = connect({ host, port: Number(port) });
  await once(socket, "connect");
  socket.write(header);
  const tls = connectTls({ socket, key, cert, ca });
  const outcome = new Promise((resolve) => {
    tls.once("secureConnect", () => {
      resolve("let in");
    });
    tls.once("error", () => {
      resolve("cut off");
    });
  });
  expect(await outcome).toBe("cut off");
  socket.destroy();
  expect(await ground.answer(ground.good)).toBe("200 acme");
});
