import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { get, preface, rawHttp2 } from "../support/http2-frames.ts";

const ground = bypassGround();
/** A stranger is given a second for the first request; between requests, for the one, no time to speak of. */
const urls: Record<"patient" | "hasty", string> = { patient: "", hasty: "" };
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const listen = (idleTime: number) => {
    const limits = { headerTime: 1000, requestTime: 1000, idleTime };
    const server = enforcer.createServer((_request, response) => response.end(), certificate, {
      http2: true,
      limits,
    });
    return ground.scene.listen(server);
  };
  urls.patient = await listen(60_000);
  urls.hasty = await listen(1000);
});

// A stranger, who says so much and then nothing.
test.concurrent.each([
  ["nothing at all", "patient", Buffer.alloc(0)],
  ["a preface", "patient", preface()],
  ["headers that do not end", "patient", Buffer.concat([preface(), get(1, "127.0.0.1", false)])],
  ["a request whose answer it never takes", "hasty", Buffer.concat([preface(0), get(1, "127.0.0.1")])],
] as const)("keeps no connection with %s", async (_name, server, octets) => {
  const socket = await rawHttp2(urls[server], {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(octets);
  await closed;
  expect(socket.destroyed).toBe(true);
});
