// The same as `countersign sign …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["sign", ...process.argv.slice(2)]);
