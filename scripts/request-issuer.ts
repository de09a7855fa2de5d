// The same as `countersign issuer csr …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["issuer", "csr", ...process.argv.slice(2)]);
