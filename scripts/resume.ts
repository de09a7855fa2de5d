// The same as `countersign resume …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["resume", ...process.argv.slice(2)]);
