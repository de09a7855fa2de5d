// The same as `countersign root move …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["root", "move", ...process.argv.slice(2)]);
