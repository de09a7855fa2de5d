import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { run } from "../support/run.ts";

const ground = bypassGround();

test.each([
  ["-tls1_1", "(NONE)"],
  ["-tls1", "(NONE)"],
  ["-tls1_2", "ECDHE"],
])("openssl s_client %s", async (version, cipher) => {
  const host = new URL(ground.url).host;
  const args = ["s_client", "-connect", host, version, "-cipher", "ALL:@SECLEVEL=0"];
  const { stdout } = await run("openssl", args, { input: "Q\n" });
  expect(/^(?:New|Reused), .*, Cipher is (.+)$/m.exec(stdout)?.[1]).toContain(cipher);
});
