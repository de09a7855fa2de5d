// The same as `countersign request approve …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["request", "approve", ...process.argv.slice(2)]);
