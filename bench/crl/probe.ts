// Loaded into the server before its own code: at SIGUSR2 tells the event loop's worst delay, and begins anew.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  const RESOLUTION = 5;
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  delays.enable();
  process.on("SIGUSR2", () => {
    const worst = Math.max(0, delays.max / 1e6 - RESOLUTION);
    delays.reset();
    process.stderr.write(`worst delay ${worst.toFixed(1)} ms\n`);
  });
}
