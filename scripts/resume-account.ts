// The same as `countersign account resume …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["account", "resume", ...process.argv.slice(2)]);
