// The same as `countersign account revoke-all …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["account", "revoke-all", ...process.argv.slice(2)]);
