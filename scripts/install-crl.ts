// The same as `countersign crl install …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["crl", "install", ...process.argv.slice(2)]);
