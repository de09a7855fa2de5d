// The same as `countersign account create …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["account", "create", ...process.argv.slice(2)]);
