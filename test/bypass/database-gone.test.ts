import { renameSync, symlinkSync, unlinkSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { SECOND } from "../../src/domain/time.ts";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();
const patient = { timeout: 10_000 };
afterEach(() => vi.useRealTimers());

/** Where its file was is nothing that can be asked. */
function takeDatabaseAway(): () => void {
  const { home } = ground.scene;
  renameSync(home, `${home}-away`);
  symlinkSync(home, home);
  return () => {
    unlinkSync(home);
    renameSync(`${home}-away`, home);
  };
}

test("without its database, it goes on for a minute, with nobody who was revoked, and then with nobody", async () => {
  const revoked = await ground.scene.credential("acme");
  await ground.scene.revoke(revoked);
  await expect.poll(() => ground.answer(revoked), patient).toBe("403 CERT_REVOKED");
  const both = async (): Promise<string[]> => [
    await ground.answer(ground.good),
    await ground.answer(revoked),
  ];
  const giveBack = takeDatabaseAway();
  await expect
    .poll(() => ground.scene.log.map(({ message }) => message), patient)
    .toContainEqual(expect.stringContaining("changes cannot be followed"));
  const start = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now: start + 55 * SECOND });
  expect(await both()).toEqual(["200 acme", "403 CERT_REVOKED"]);
  vi.setSystemTime(start + 61 * SECOND);
  expect(await both()).toEqual(["503 STATUS_UNAVAILABLE", "403 CERT_REVOKED"]);
  vi.setSystemTime(start);
  giveBack();
  await expect.poll(both, patient).toEqual(["200 acme", "403 CERT_REVOKED"]);
});
