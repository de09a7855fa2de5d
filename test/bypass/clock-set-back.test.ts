import { afterEach, expect, test, vi } from "vitest";
import { DAY, MINUTE } from "../../src/domain/time.ts";
import { bypassGround } from "../support/bypass-ground.ts";
import { tlsVersions, visit } from "../support/bypass-visit.ts";

const ground = bypassGround();
afterEach(() => vi.useRealTimers());

// Set by hand: the system's clock, and the count of the time that passes. OpenSSL goes by its own, and verifies nothing
// in a resumed handshake.
function takeClocks(): void {
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.now() });
}

test("a clock that is set back does not bring back whose certificate ended", async () => {
  const brief = await ground.scene.credential("acme", Date.now() + 5 * MINUTE);
  const before = await Promise.all(tlsVersions.map((version) => visit(ground, version, brief)));
  takeClocks();
  const start = Date.now();
  vi.advanceTimersByTime(6 * MINUTE);
  expect(await ground.answer(brief)).toBe("403 CERT_EXPIRED");
  vi.setSystemTime(start);
  expect(await ground.answer(brief)).toBe("403 CERT_EXPIRED");
  for (const [index, version] of tlsVersions.entries()) {
    const after = await visit(ground, version, brief, { session: before[index]?.session });
    expect(after).toMatchObject({ reused: true, said: "403 CERT_EXPIRED" });
  }
});

test("a clock that was years ahead for a moment ends nobody for good", async () => {
  takeClocks();
  const start = Date.now();
  vi.setSystemTime(start + 1000 * DAY);
  expect(await ground.answer(ground.good)).toBe("403 CERT_EXPIRED");
  vi.setSystemTime(start);
  await expect.poll(() => ground.answer(ground.good), { timeout: 10_000 }).toBe("200 acme");
});
