// The same as `countersign request deny …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["request", "deny", ...process.argv.slice(2)]);
