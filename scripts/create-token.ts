// The same as `countersign token create …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["token", "create", ...process.argv.slice(2)]);
