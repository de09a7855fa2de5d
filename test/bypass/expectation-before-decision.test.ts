import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("a caller who is refused is not told to go on", async () => {
  const post = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nExpect: 100-continue";
  expect(await ask(await ground.connect(ground.good), post)).toMatch(/^HTTP\/1\.1 100 /);
  expect(saidIn(await ask(await ground.connect({}), post))).toBe("401 CERT_REQUIRED");
});
