// The same as `countersign credential register …`.
import { run } from "../src/cli/run.ts";

process.exitCode = await run(["credential", "register", ...process.argv.slice(2)]);
