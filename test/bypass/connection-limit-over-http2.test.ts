import { beforeAll, expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  url = await ground.listenHttp2();
});

test("HTTP/2 sessions take the places of an account's connections, whichever of its credentials opens them", async () => {
  await ground.scene.account("hoarder");
  const [one, two] = [await ground.scene.credential("hoarder"), await ground.scene.credential("hoarder")];
  await ground.scene.limit("hoarder", { maxConnections: 2 });
  const [idle, asking] = [await openSession(url, one), await openSession(url, two)];
  expect(await ask(asking, "/")).toMatchObject({ status: 200, text: "hoarder" });
  const third = await openSession(url, two);
  expect(await ask(third, "/")).toMatchObject({ status: 429, code: "CONNECTION_LIMIT" });
  expect(await ground.answer(one)).toBe("429 CONNECTION_LIMIT");
  // Many streams are one connection.
  const said = await Promise.all([1, 2, 3].map(async () => (await ask(asking, "/")).text));
  expect(said).toEqual(["hoarder", "hoarder", "hoarder"]);
  for (const session of [idle, asking, third]) session.destroy();
});
