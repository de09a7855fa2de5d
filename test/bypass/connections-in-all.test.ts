import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("open connections take all the places there are, from any address, and whoever is in is served", async () => {
  const { url } = await ground.listen({ limits: { connections: 2 } });
  const idle = [await ground.connect(ground.good, {}, url), await ground.connect(ground.good, {}, url)];
  const port = Number(new URL(url).port);
  const more = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.2" }).on("error", () => undefined);
  await expect(ground.connect(ground.good, { socket: more }, url)).rejects.toThrow();
  const [first, second] = idle;
  if (!first || !second) throw new TypeError("there are two");
  expect(saidIn(await ask(first))).toBe("200 acme");
  first.destroy();
  await once(first, "close");
  await expect.poll(() => ground.answer(ground.good, "/", url).catch(() => "closed")).toBe("200 acme");
  second.destroy();
});
