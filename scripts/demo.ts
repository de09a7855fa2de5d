// `npm run demo`: plays the README's transcript against a real server, in a temporary folder and on free ports, and
// checks that each step does what the README says. Needs nothing but npm, openssl and curl.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Listening } from "../src/main.ts";

interface Step {
  readonly title: string;
  readonly command: string;
  /** What it prints, on standard output or standard error. */
  readonly prints?: RegExp;
  readonly exitCode?: number;
}

const checkout = dirname(import.meta.dirname);
// Its own folder: the home is made in it as ./ca, as it is in a checkout.
const folder = mkdtempSync(join(tmpdir(), "countersign-demo-"));
const env = cleanEnvironment();
const anyPorts = ["ca", "enforce", "public", "metrics"]
  .map((name) => `--${name}-listen 127.0.0.1:0`)
  .join(" ");
const serveCommand = `"$CHECKOUT/bin/countersign" serve --quickstart --json ${anyPorts}`;
let server: ChildProcess | undefined;
let log = "";

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    server?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    process.exit(1);
  });
}

try {
  const listening = await startServer();
  const steps = transcript(listening);
  for (const [index, step] of steps.entries()) play(index + 2, step);
  console.log("\nEvery step did what it says.");
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  console.error(`The server's log:\n${log}`);
  process.exitCode = 1;
} finally {
  await stopServer();
  rmSync(folder, { recursive: true, force: true });
}

function transcript({ ca, enforce, rootFingerprint }: Listening): readonly Step[] {
  const whoami = `curl -sS --cacert ca/certs/root.crt --cert demo.crt --key demo.key ${enforce}/whoami`;
  const countersign = '"$CHECKOUT/bin/countersign"';
  const revoke = 'node "$CHECKOUT/scripts/revoke.ts"';
  return [
    {
      title: "Make a key and a CSR with openssl",
      command:
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout demo.key -out demo.csr",
    },
    {
      title: "Enrol with curl; the token is read from its file",
      command: [
        `printf 'Authorization: Bearer %s' "$(cat ca/secrets/demo.token)" | curl -sS --fail-with-body --cacert ca/certs/root.crt \\`,
        "  -H @- -H 'Content-Type: application/pkcs10' -H 'Accept: application/pem-certificate-chain' \\",
        `  --data-binary @demo.csr -o demo.crt ${ca}/v1/certificates`,
      ].join("\n"),
    },
    {
      title: "Call: the server says who it takes us for",
      command: whoami,
      prints: /^\{"account":"demo","fingerprint":"[0-9a-f]{64}",/,
    },
    {
      title: "Revoke the certificate, in another process",
      command: `${revoke} demo.crt --reason keyCompromise`,
      prints: /^Revoked [0-9a-f]{64} of account demo \(keyCompromise\)\. Applied by 1 server;/,
    },
    {
      title: "Call again: refused",
      command: whoami,
      prints: /"status":403,"code":"CERT_REVOKED"/,
    },
    {
      title: "Make another token, in a file that only we can read",
      command: `(umask 077; ${countersign} token create demo > demo.token)`,
    },
    {
      title: "Enrol with countersign",
      command: `${countersign} enroll --ca-url ${ca} --token-file demo.token \\\n  --fingerprint ${rootFingerprint}`,
      prints: /^Account: +demo\n/,
    },
    {
      title: "Call with countersign",
      command: `${countersign} whoami ${enforce}`,
      prints: /^Account: +demo\n/,
    },
    {
      title: "Revoke that one too",
      command: `${revoke} client.crt --reason superseded`,
      prints: /^Revoked [0-9a-f]{64} of account demo \(superseded\)\. Applied by 1 server;/,
    },
    {
      title: "Call again: refused",
      command: `${countersign} whoami ${enforce}`,
      prints: /^countersign: The certificate was revoked, .*\(CERT_REVOKED\)/,
      exitCode: 1,
    },
  ];
}

function play(number: number, { title, command, prints, exitCode = 0 }: Step): void {
  announce(number, title, command);
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { cwd: folder, env, encoding: "utf8" });
  process.stdout.write(`${stdout}${stderr}`);
  if (status !== exitCode) throw new Error(`step ${String(number)} exited ${String(status)}.`);
  if (prints && !prints.test(stdout || stderr)) {
    throw new Error(`step ${String(number)} did not print ${String(prints)}.`);
  }
}

function announce(number: number, title: string, command: string): void {
  console.log(`\n${String(number)}. ${title}\n$ ${command}`);
}

/** Starts `serve --quickstart`; returns once it listens and the demo's token is there. */
async function startServer(): Promise<Listening> {
  announce(1, "Start the CA and the enforcing server", serveCommand);
  const child = spawn("sh", ["-c", `exec ${serveCommand}`], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  server = child;
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => String(text)),
    once(child, "exit").then(([code]) => {
      throw new Error(`the server exited ${String(code)} before it listened.`);
    }),
    sleep(60_000, undefined, { ref: false }).then(() => {
      throw new Error("the server does not listen after a minute.");
    }),
  ]);
  console.log(line);
  for (let tries = 0; !existsSync(join(folder, "ca", "secrets", "demo.token")); tries += 1) {
    if (tries === 600) throw new Error("there is no token after a minute.");
    await sleep(100);
  }
  return JSON.parse(line) as Listening;
}

async function stopServer(): Promise<void> {
  if (server?.exitCode !== null || server.signalCode !== null) return;
  const child = server;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const giveUp = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await ended;
  clearTimeout(giveUp);
}

/** This very Node first on the PATH, no settings of another home, and no proxy between here and here. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const rest = Object.entries(process.env).filter(([name]) => !name.startsWith("COUNTERSIGN_"));
  const path = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
  const own = { XDG_CONFIG_HOME: join(folder, "config"), CHECKOUT: checkout, no_proxy: "127.0.0.1" };
  return { ...Object.fromEntries(rest), PATH: path, ...own };
}
