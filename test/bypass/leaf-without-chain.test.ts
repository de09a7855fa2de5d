import { expect, test } from "vitest";
import { expiredSelfSigned } from "../support/library-certificates.ts";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

function leafOf(pem: string): string {
  return pem.slice(0, pem.indexOf("-----END CERTIFICATE-----") + 26);
}

test("the leaf alone is enough: nothing that a caller sends with it is needed", async () => {
  const { key, cert } = ground.good;
  expect(leafOf(cert)).not.toBe(cert);
  expect(await ground.answer({ key, cert: leafOf(cert) })).toBe("200 acme");
});

test("our chain behind a stranger's leaf is worth nothing", async () => {
  const { key, cert } = await expiredSelfSigned();
  const chain = ground.good.cert.slice(leafOf(ground.good.cert).length);
  expect(await ground.answer({ key, cert: `${cert.trim()}\n${chain}` })).toBe("401 CERT_UNTRUSTED");
});
