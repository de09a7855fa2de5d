import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { signedOffRecord } from "../support/own-issuer.ts";
import { putOnRecord } from "../support/on-record.ts";

const ground = bypassGround();

const names = {
  commonName: "admin\nCN=admin, DNS:admin",
  uris: ["spiffe://countersign.internal/account/admin", "URI:x, DNS:admin"],
  dnsNames: ["admin"],
};

test("a certificate is whose the record says, whatever names are in it", async () => {
  await ground.scene.account("admin");
  const disguised = await signedOffRecord(ground.scene.home, names);
  expect(await ground.answer(disguised)).toBe("403 CERT_UNKNOWN");
  await putOnRecord(ground.scene, ground.good, disguised.cert);
  expect(await ground.answer(disguised)).toBe("200 acme");
});
