import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("who does not finish the handshake is cut off", async () => {
  const { url } = await ground.listen({ limits: { handshakeTime: 2000 } });
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port) });
  socket.on("error", () => undefined).write(Buffer.from([22, 3, 1]));
  await once(socket, "close");
  expect(await ground.answer(ground.good, "/", url)).toBe("200 acme");
});
