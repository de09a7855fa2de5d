import { renewFiles } from "../../src/client/renewal/renew-files.ts";

// A program: renews a credential in files, due or not, and kills itself when a step is reached. Never when there is no
// such step: then it says on standard output what came of it.
//
//   node killed-renewal.ts URL KEY CERT CA STEP

const [caUrl = "", key = "", cert = "", ca = "", wanted] = process.argv.slice(2);
const renewal = await renewFiles({
  ...{ caUrl, files: { key, cert, ca }, force: true, clock: { now: () => Date.now() } },
  onStep: (step) => {
    if (step === wanted) process.kill(process.pid, "SIGKILL");
  },
});
process.stdout.write(JSON.stringify(renewal));
