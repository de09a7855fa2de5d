import { afterEach, expect, test, vi } from "vitest";
import { MINUTE } from "../../src/domain/time.ts";
import { bypassGround } from "../support/bypass-ground.ts";
import { tlsVersions, visit } from "../support/bypass-visit.ts";

const ground = bypassGround();
afterEach(() => vi.useRealTimers());

// OpenSSL goes by a clock of its own, and verifies nothing in a resumed handshake: what refuses here is the decision.
test("a session outlives its certificate, the caller does not", async () => {
  const brief = await ground.scene.credential("acme", Date.now() + 5 * MINUTE);
  const before = await Promise.all(tlsVersions.map((version) => visit(ground, version, brief)));
  expect(before.map(({ said }) => said)).toEqual(["200 acme", "200 acme"]);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 6 * MINUTE });
  for (const [index, version] of tlsVersions.entries()) {
    const after = await visit(ground, version, brief, { session: before[index]?.session });
    expect(after).toMatchObject({ reused: true, said: "403 CERT_EXPIRED" });
  }
});
