import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("what a request says of its caller is not heard", async () => {
  const victim = await ground.scene.credential("acme");
  const der = Buffer.from(
    victim.cert.slice(27, victim.cert.indexOf("-----END")).replaceAll("\n", ""),
    "base64",
  );
  const said = [
    `Client-Cert: :${der.toString("base64")}:`, // RFC 9440
    `Client-Cert-Chain: :${der.toString("base64")}:`,
    `X-Client-Cert: ${encodeURIComponent(victim.cert)}`,
    `X-SSL-Client-Cert: ${encodeURIComponent(victim.cert)}`,
    "X-SSL-Client-Verify: SUCCESS",
    `X-Forwarded-Client-Cert: Hash=${victim.fingerprint}`,
    `X-Client-Fingerprint: ${victim.fingerprint}`,
    "X_Client_Account: acme",
    "X-Countersign-Account: acme",
    "Caller: acme",
  ].join("\r\n");
  const head = `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${said}`;
  const nobody = await ground.connect({});
  expect(saidIn(await ask(nobody, head))).toBe("401 CERT_REQUIRED");
  await ground.scene.account("other");
  const other = await ground.connect(await ground.scene.credential("other"));
  expect(saidIn(await ask(other, head))).toBe("200 other");
  for (const socket of [nobody, other]) socket.destroy();
});
