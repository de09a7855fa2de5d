import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { renegotiate, saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("TLS 1.2 is not renegotiated, so nobody becomes somebody else on the way", async () => {
  const socket = await ground.connect(ground.good, { maxVersion: "TLSv1.2" });
  expect(saidIn(await ask(socket))).toBe("200 acme");
  expect(await renegotiate(socket)).toBe("cut off");
});
