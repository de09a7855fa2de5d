// The same as `countersign show …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["show", ...process.argv.slice(2)]);
