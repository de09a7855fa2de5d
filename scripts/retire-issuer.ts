// The same as `countersign issuer retire …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["issuer", "retire", ...process.argv.slice(2)]);
