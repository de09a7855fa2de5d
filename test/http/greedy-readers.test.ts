import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sharedServer } from "../support/server.ts";
import { tlsTo } from "../support/tls-to.ts";

const server = sharedServer();

// How readers that stall are cut off is in unread-answers; here, that the CA listener does so too.
test("the CA listener cuts off who asks for its largest answer again and again, and reads none", async () => {
  const socket = await tlsTo(server.ca, { ca: readFileSync(server.root) });
  const closed = once(socket, "close");
  let text = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
  socket.write("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100));
  await closed;
  expect(text.split("HTTP/1.1 200").length - 1).toBeLessThan(20);
});
