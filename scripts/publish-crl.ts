// The same as `countersign crl publish …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["crl", "publish", ...process.argv.slice(2)]);
