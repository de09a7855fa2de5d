// The same as `countersign profile check …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["profile", "check", ...process.argv.slice(2)]);
