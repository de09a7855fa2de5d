// Loaded before a program that knows nothing of it (`node --expose-gc --import`): tells its parent what it holds.
import { readdirSync } from "node:fs";

export interface Figures {
  /** Octets, right after a collection. */
  readonly heapUsed: number;
  readonly rss: number;
  readonly descriptors: number;
}

process.on("message", () => {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const figures: Figures = { heapUsed, rss, descriptors: readdirSync("/proc/self/fd").length };
  process.send?.(figures);
});
process.channel?.unref(); // it ends when it would
process.on("disconnect", () => process.exit(1)); // with a test that failed
