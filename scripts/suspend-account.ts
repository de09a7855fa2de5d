// The same as `countersign account suspend …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["account", "suspend", ...process.argv.slice(2)]);
