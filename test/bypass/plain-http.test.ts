import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test("HTTP without TLS gets no answer", async () => {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(ground.url).port) });
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString("latin1"))).on("error", () => undefined);
  socket.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await once(socket, "close");
  expect(text).not.toContain("HTTP/1.1");
});
