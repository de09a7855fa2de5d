// The same as `countersign root sign-crl …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["root", "sign-crl", ...process.argv.slice(2)]);
