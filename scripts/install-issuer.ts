// The same as `countersign issuer install …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["issuer", "install", ...process.argv.slice(2)]);
