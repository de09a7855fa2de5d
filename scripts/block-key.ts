// The same as `countersign key block …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["key", "block", ...process.argv.slice(2)]);
