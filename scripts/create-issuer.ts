// The same as `countersign issuer create …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["issuer", "create", ...process.argv.slice(2)]);
