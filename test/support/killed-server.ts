import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { readPassword } from "../../src/home/open.ts";
import { startServer } from "../../src/main.ts";

// A program: serves a home as `serve` does, and kills itself when a step of issuing is reached for the nth time. Never
// when there is no such step.
//
//   node killed-server.ts HOME STEP N

const [home = "", wanted, nth] = process.argv.slice(2);
const anywhere = "127.0.0.1:0";
const flags = { listen: { ca: anywhere, enforce: anywhere, public: anywhere, metrics: anywhere } };
const config = resolveConfig(home, flags, {}, readConfigFile(home));
const logger = { info: ignore, warn: ignore, error: ignore };

let isArmed = false;
let count = 0;
const server = await startServer(config, readPassword(home, undefined, {}), logger, (step) => {
  if (isArmed && step === wanted && ++count === Number(nth)) process.kill(process.pid, "SIGKILL");
});
isArmed = true; // the listeners' own certificate may have gone through the same steps
process.stdout.write(`${JSON.stringify(server.listening)}\n`);

function ignore(): void {
  // Its log is of no interest.
}
