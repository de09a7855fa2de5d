// The same as `countersign why …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["why", ...process.argv.slice(2)]);
