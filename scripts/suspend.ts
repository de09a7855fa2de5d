// The same as `countersign suspend …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["suspend", ...process.argv.slice(2)]);
