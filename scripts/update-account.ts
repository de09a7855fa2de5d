// The same as `countersign account update …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["account", "update", ...process.argv.slice(2)]);
