import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("one address with many half-open handshakes keeps no other out", { timeout: 15_000 }, async () => {
  const limits = { handshakes: 4, handshakesPerAddress: 2, handshakeTime: 60_000 };
  const { url } = await ground.listen({ limits });
  const port = Number(new URL(url).port);
  const flood: Socket[] = [];
  for (let i = 0; i < 20; i++) {
    const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.3" });
    flood.push(socket.on("error", () => undefined));
    await once(socket, "connect");
  }
  const other = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.2" });
  const socket = await ground.connect(ground.good, { socket: other }, url);
  socket.destroy();
  for (const each of flood) each.destroy();
  expect(flood).toHaveLength(20);
});
