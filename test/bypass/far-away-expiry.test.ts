import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test("an end beyond what a timer can wait for (24.8 days) is neither now nor over and over", async () => {
  const warnings: string[] = [];
  const warn = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", warn);
  const socket = await ground.connect(await ground.scene.credential("acme", Date.now() + 40 * 86_400_000));
  for (let i = 0; i < 5; i++) {
    expect(saidIn(await ask(socket))).toBe("200 acme");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.off("warning", warn);
  expect(warnings).not.toContain("TimeoutOverflowWarning");
  socket.destroy();
});
