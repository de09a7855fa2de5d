// The same as `countersign credential update …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["credential", "update", ...process.argv.slice(2)]);
