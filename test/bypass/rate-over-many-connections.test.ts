import { beforeAll, expect, test } from "vitest";
import { parseRate } from "../../src/domain/call-limits.ts";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  url = await ground.listenHttp2();
});

test("connections, sessions and credentials of an account share its rate", async () => {
  await ground.scene.account("greedy");
  const [one, two] = [await ground.scene.credential("greedy"), await ground.scene.credential("greedy")];
  await ground.scene.limit("greedy", { rate: parseRate("4/1h") });
  const session = await openSession(url, two);
  const answers = [
    await ground.answer(one),
    await ground.answer(one),
    (await ask(session, "/")).text,
    (await ask(session, "/")).text,
    (await ask(session, "/")).code,
    await ground.answer(one),
    await ground.answer(two),
  ];
  const refused = "429 RATE_LIMITED";
  expect(answers).toEqual(["200 greedy", "200 greedy", "greedy", "greedy", "RATE_LIMITED", refused, refused]);
  session.destroy();
});
