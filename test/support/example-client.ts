import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { beforeAll, expect } from "vitest";
import { cloneAlarms, issuedTo } from "./client-files.ts";
import { type Held, held, pendingKey } from "./client-pem.ts";
import { eventually } from "./eventually.ts";
import { type LosingCa, losingCa } from "./losing-ca.ts";
import { run, runOk } from "./run.ts";
import { type TestServer, sharedServer } from "./server.ts";

// The programs of examples/clients, in any language. All have the same commands, and work in the current folder, where
// ca.crt is the CA's root:
//
//   enrol CA_URL TOKEN_FILE   a key (P-256) and a certificate for a token → client.pem: key, certificate, issuing CA; 0600
//   call URL                  calls URL every second and prints each answer's body on a line; takes up a renewed client.pem
//                             by itself; says on standard error why it was refused, and goes on, as that may pass
//   renew CA_URL              another key and certificate, by mTLS with client.pem → client.pem, replaced by a rename
//
// Key and CSR are in next.pem (0600) from before they are sent until client.pem is replaced, and are used when they are
// there. `enrol` replaces no client.pem, and `call` does not begin without one. URLs begin with https://. What goes wrong is told on standard error, a problem document by its code and detail; the exit code is 1.

/** One client and how it is run. */
export interface ExampleClient {
  /** Its account's name: unique in a test file. */
  readonly name: string;
  /** The program and what comes before the command: `["python3", "/…/client.py"]`. */
  readonly program: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface ExampleScene {
  readonly server: TestServer;
  /**
   * Plays all of a client's story: what it refuses by itself, the wrong CA, lost answers, enrolment, calls, renewal under way,
   * a used token, revocation.
   * Stories may run at the same time.
   */
  play(client: ExampleClient): Promise<void>;
}

/** One server for all clients of a test file. */
export function exampleScene(): ExampleScene {
  const server = sharedServer();
  const shared = { otherRoot: "", shims: "" };
  beforeAll(async () => {
    shared.otherRoot = await otherRoot(server.workspace.file("other"));
    shared.shims = recordingShims(server.workspace.file("shims"), ["curl", "openssl"]);
  });
  return { server, play: (client) => play(server, shared, client) };
}

async function play(
  server: TestServer,
  { otherRoot, shims }: { readonly otherRoot: string; readonly shims: string },
  { name, program: [executable = "", ...before], env }: ExampleClient,
): Promise<void> {
  const folder = server.workspace.file(name);
  mkdirSync(folder);
  const file = (of: string): string => join(folder, of);
  const token = await server.token(name);
  writeFileSync(file("token"), `${token}\n`, { mode: 0o600 });
  const PATH = [shims, process.env["PATH"]].join(delimiter);
  const asIts = { PATH, ARGUMENTS: file("arguments"), CURL_HOME: folder };
  const options = { cwd: folder, env: { ...process.env, ...asIts, ...env } };
  const lossy = await losingCa(server, file("client.pem"));
  const story: Story = {
    ...{ server, name, lossy, token, file, client: file("client.pem"), next: file("next.pem") },
    async succeed(...args) {
      await runOk(executable, [...before, ...args], options);
    },
    async fail(...args) {
      const { code, stderr } = await run(executable, [...before, ...args], options);
      expect({ args, code, said: stderr !== "" }, stderr).toEqual({ args, code: 1, said: true });
      return stderr;
    },
  };
  let calling: Calling | undefined;
  try {
    await refuse(story, otherRoot);
    const first = await enrol(story);
    calling = startCalling(executable, [...before, "call", `${server.enforce}/whoami`], options);
    await calling.seen(first);
    const second = await renew(story, first);
    await calling.seen(second);
    expect(new Set(calling.fingerprints())).toEqual(new Set([first.issued, second.issued]));
    expect(calling.errors()).toBe("");

    expect(await story.fail("enrol", server.ca, "token")).toContain("client.pem");
    renameSync(story.client, file("aside.pem"));
    expect(await story.fail("enrol", server.ca, "token")).toContain("TOKEN_USED");
    renameSync(file("aside.pem"), story.client);
    expect(held(story.client)).toEqual(second);
    await server.admin("revoke", second.issued);
    await calling.refused("CERT_REVOKED");
    const given = existsSync(file("arguments")) ? readFileSync(file("arguments"), "utf8") : "";
    expect(given).not.toContain(token);
  } finally {
    calling?.process.kill();
    await lossy.close();
  }
}

interface Story {
  readonly server: TestServer;
  readonly name: string;
  readonly lossy: LosingCa;
  readonly token: string;
  readonly file: (of: string) => string;
  readonly client: string;
  readonly next: string;
  /** Runs a command to its end. */
  readonly succeed: (...args: string[]) => Promise<void>;
  /** The same for one that goes wrong; returns what it says on standard error. */
  readonly fail: (...args: string[]) => Promise<string>;
}

/** What is wrong here is found before the token is sent, or a file of somebody else's written. */
async function refuse({ server, lossy, token, file, fail }: Story, otherRoot: string): Promise<void> {
  const others = file("others");
  for (const name of [others, file("client.pem.new")]) {
    writeFileSync(name, "");
    chmodSync(name, 0o666);
  }
  symlinkSync(others, file("next.pem.new"));
  writeFileSync(file(".curlrc"), "insecure\n");
  writeFileSync(file("bent"), `${token}"\r\noutput: "others`, { mode: 0o600 });

  expect(await fail("enrol", server.ca, "token")).toContain("ca.crt");
  copyFileSync(otherRoot, file("ca.crt"));
  await fail("enrol", lossy.url, "token");
  copyFileSync(server.root, file("ca.crt"));
  await fail("enrol", lossy.misnamedUrl, "token");
  const said = await fail("enrol", lossy.url.replace("https:", "http:"), "nowhere");
  expect(said).toContain("https://");
  expect(said, "the token is not read").not.toContain("nowhere");
  expect(await fail("enrol", lossy.url, "bent")).not.toContain(token);
  expect(await fail("call", `${server.enforce}/whoami`)).toContain("client.pem");
  await fail("enrol", lossy.redirectingUrl, "token");
  expect(lossy.asked, "the token is sent to nobody but the CA").toEqual([]);
  expect(readFileSync(others, "utf8")).toBe("");
}

/** The CA's first answer is lost; the next attempt sends the same key, and the same CSR, or the token would be used. */
async function enrol({ server, name, lossy, client, next, succeed, fail }: Story): Promise<Held> {
  const said = await fail("enrol", lossy.url, "token");
  expect(issuedTo(server.home, name), `the CA has signed: ${said}`).toHaveLength(1);
  expect(existsSync(client)).toBe(false);
  const key = pendingKey(next);
  await succeed("enrol", `${server.ca}/`, "token");
  const first = held(client);
  expect(first).toMatchObject({ key, issued: issuedTo(server.home, name)[0]?.fingerprint });
  expect(existsSync(next)).toBe(false);
  return first;
}

/** Here too: another CSR would raise the clone alarm, and suspend both. */
async function renew(
  { server, name, lossy, client, next, succeed, fail }: Story,
  first: Held,
): Promise<Held> {
  const said = await fail("renew", lossy.url);
  expect(issuedTo(server.home, name), `the CA has signed: ${said}`).toHaveLength(2);
  expect(held(client)).toEqual(first);
  const key = pendingKey(next);
  expect(key).not.toBe(first.key);
  await succeed("renew", `${server.ca}/`);
  const second = held(client);
  expect(second).toMatchObject({ key, subject: first.subject });
  expect(existsSync(next)).toBe(false);
  const active = [first, second].map(({ issued }) => ({ fingerprint: issued, status: "active" }));
  expect(issuedTo(server.home, name)).toEqual(active);
  expect(cloneAlarms(server.home)).toBe(0);
  return second;
}

interface Calling {
  readonly process: ChildProcess;
  /** Whom the server took it for, call by call. */
  fingerprints(): unknown[];
  errors(): string;
  /** Waits for a call with the certificate. */
  seen(credential: Held): Promise<void>;
  /** Waits until it has said so on standard error twice, as it goes on. */
  refused(code: string): Promise<void>;
}

function startCalling(program: string, args: readonly string[], options: object): Calling {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.on("error", (error) => (stderr += error.message));
  const fingerprints = (): unknown[] =>
    stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { fingerprint: unknown }).fingerprint);
  const errors = (): string => stderr;
  return {
    ...{ process: child, fingerprints, errors },
    seen: ({ issued }) =>
      eventually(() => {
        expect(fingerprints(), stderr).toContain(issued);
      }),
    refused: (code) =>
      eventually(() => {
        expect(stderr.split(code).length, stderr).toBeGreaterThan(2);
      }),
  };
}

/** A root of which nobody here has anything. */
async function otherRoot(path: string): Promise<string> {
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await runOk("openssl", [...made, "-subj", "/CN=other", "-keyout", `${path}.key`, "-out", `${path}.crt`]);
  return `${path}.crt`;
}

/** Programs of these names that write their arguments to the file $ARGUMENTS, and then do what they always do. */
function recordingShims(folder: string, names: readonly string[]): string {
  mkdirSync(folder);
  for (const name of names) {
    const script = `#!/bin/sh\nprintf '%s\\n' "$@" >> "$ARGUMENTS"\nPATH=\${PATH#*:} exec ${name} "$@"\n`;
    writeFileSync(join(folder, name), script, { mode: 0o755 });
  }
  return folder;
}
