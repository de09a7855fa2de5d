// The same as `countersign list …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["list", ...process.argv.slice(2)]);
