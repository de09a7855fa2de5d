// The same as `countersign revoke …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["revoke", ...process.argv.slice(2)]);
