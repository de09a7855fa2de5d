import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { parseCertificateId } from "../../src/domain/identifiers.ts";
import { systemClock } from "../../src/home/open.ts";
import { revoke } from "../../src/services/revocation.ts";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

/** As the command reads its argument. */
async function revokeWritten(text: string): Promise<void> {
  const id = parseCertificateId(text);
  if (!id) throw new Error("no id");
  await revoke(ground.scene.database, { clock: systemClock, actor: "test" }, id, "keyCompromise");
}

test("SHA-1, which Node calls the fingerprint, names nothing, and says so", async () => {
  const { fingerprint } = new X509Certificate(ground.good.cert);
  for (const text of [fingerprint, fingerprint.replaceAll(":", "").toLowerCase()])
    await expect(revokeWritten(text)).rejects.toMatchObject({
      code: expect.stringMatching(/^(NOT_FOUND|ID_MALFORMED)$/) as unknown,
    });
  expect(await ground.answer(ground.good)).toBe("200 acme");
});

test("what is revoked but not there is an error", async () => {
  await expect(revokeWritten("ab".repeat(32))).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("in upper case with colons, as Node and OpenSSL write it, it is the same", async () => {
  const victim = await ground.scene.credential("acme");
  expect(await ground.answer(victim)).toBe("200 acme");
  await revokeWritten(new X509Certificate(victim.cert).fingerprint256);
  await expect.poll(() => ground.answer(victim)).toBe("403 CERT_REVOKED");
});
