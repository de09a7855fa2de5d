import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { namesakeLeaf } from "../support/impostors.ts";

const ground = bypassGround();

test.each([
  ["for clients", ["clientAuth"]],
  // OpenSSL's last word on these is of their purpose or time: that is believed only of what our own key signed.
  ["for servers", ["serverAuth"]],
] as const)("a CA of our CA's name and key id is another CA: its leaf %s", async (_name, purposes) => {
  expect(await ground.answer(await namesakeLeaf(ground.scene.home, purposes))).toBe("401 CERT_UNTRUSTED");
});
