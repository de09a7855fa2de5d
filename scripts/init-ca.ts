// The same as `countersign init …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["init", ...process.argv.slice(2)]);
