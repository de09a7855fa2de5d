// The same as `countersign root sign-issuer …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["root", "sign-issuer", ...process.argv.slice(2)]);
