// The same as `countersign token revoke …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["token", "revoke", ...process.argv.slice(2)]);
