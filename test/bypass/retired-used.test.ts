import { afterEach, expect, test, vi } from "vitest";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { keepAlive } from "../support/client.ts";
import { renewalGround } from "../support/renewal-ground.ts";

const on = renewalGround();
afterEach(() => vi.useRealTimers());

/** The system's clock, set forward; OpenSSL goes by its own. */
function forward(milliseconds: number): void {
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.now() + milliseconds });
}

test("a copy of a retired key is refused, and ends the line that it was copied from", async () => {
  const { ground } = on;
  const old = await ground.credential();
  const owner = await ground.renew(old);
  expect(await ground.call(owner)).toBe("200");
  const other = await ground.credential();
  const otherOwner = await ground.renew(other);
  expect(await ground.call(otherOwner)).toBe("200");
  const agent = keepAlive(old);
  expect(await ground.call(old, agent)).toBe("200");
  forward(HOUR + MINUTE);
  await ground.retire();
  await expect.poll(() => ground.call(owner)).toBe("200");
  // On a connection from before, it is nobody's fault.
  await expect.poll(() => ground.call(old, agent)).toBe("403 CERT_REVOKED");
  agent.destroy();
  vi.setSystemTime(Date.now() + MINUTE);
  // When the use of another, which came later, has ended its line, that one's has been looked at.
  expect(await ground.call(other)).toBe("403 CERT_REVOKED");
  await expect.poll(() => ground.call(otherOwner)).toBe("403 CERT_SUSPENDED");
  expect(ground.errors).toMatchObject([{ fingerprint: other.fingerprint }]);
  await expect.poll(() => ground.call(owner)).toBe("200");

  expect(await ground.call(old)).toBe("403 CERT_REVOKED");
  await expect.poll(() => ground.call(owner)).toBe("403 CERT_SUSPENDED");
  expect(await ground.answer(owner)).toBe("403 CERT_SUSPENDED");
  expect(ground.errors.slice(1)).toMatchObject([
    { cause: "retired-used", fingerprint: old.fingerprint, account: "acme", address: "127.0.0.1" },
  ]);
});
