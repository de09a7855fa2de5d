import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { DAY, SECOND } from "../../src/domain/time.ts";
import { type ClientFolder, cloneAlarms, enrolledFiles, heldBy, issuedTo } from "../support/client-files.ts";
import { command } from "../support/command.ts";
import { drippingCa } from "../support/dripping-ca.ts";
import { eventually } from "../support/eventually.ts";
import { freshHome } from "../support/fresh-home.ts";
import { requireProgram } from "../support/judges.ts";
import { issuedAt } from "../support/own-issuer.ts";
import { projectRoot, runOk } from "../support/run.ts";
import { type TestServer, serveHome } from "../support/server.ts";
import { makeWorkspace } from "../support/workspace.ts";

let server: TestServer;
beforeAll(async () => {
  const workspace = await makeWorkspace();
  await freshHome(workspace.file("home"));
  const path = join(workspace.file("home"), "profiles", "client.json");
  const profile = JSON.parse(readFileSync(path, "utf8")) as object;
  // A process that is slow to start finds its certificate ended: it goes on all the same.
  const short = { life: { default: "2s", max: "90d" }, renewal: { overlap: "1s", afterExpiry: "1h" } };
  writeFileSync(path, JSON.stringify({ ...profile, ...short }));
  // One that is retired long before it would end.
  const kept = { ...short, life: { default: "1d" } };
  writeFileSync(join(dirname(path), "kept.json"), JSON.stringify({ ...profile, ...kept }));
  server = await serveHome(workspace);
});
afterAll(async () => {
  await server.stop();
  await server.workspace.remove();
});

type Line = Readonly<Record<string, unknown>>;

interface Daemon {
  readonly process: ChildProcess;
  /** What it has said. */
  readonly lines: () => Line[];
  readonly count: (event: string) => number;
  readonly output: () => string;
  /** SIGTERM, and wait; returns the exit code. */
  readonly stop: () => Promise<number | null>;
}

/** A real `renew --daemon`, which the end of the test ends too. */
function daemon(
  { path }: ClientFolder,
  args: readonly string[] = [],
  before: readonly string[] = [],
): Daemon {
  const main = [join(projectRoot, "src/cli/main.ts"), "renew", "--daemon", "--json", "--ca-url", server.ca];
  const [program = "", ...rest] = [...before, process.execPath, ...main, ...args];
  const child = spawn(program, rest, { cwd: path, stdio: ["ignore", "pipe", "pipe"] });
  let [out, all] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    all += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (all += text));
  const ended = once(child, "exit") as Promise<[number | null]>;
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = () =>
    out
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  return {
    process: child,
    lines,
    count: (event) => lines().filter((line) => line["event"] === event).length,
    output: () => all,
    async stop() {
      child.kill("SIGTERM");
      return (await ended)[0];
    },
  };
}

test("two daemons on one directory outlive their CA, tell of each change, and are one line", async () => {
  const files = await enrolledFiles(server, "pair");
  const seen = join(files.path, "seen");
  const pair = [1, 2].map((number) =>
    daemon(files, ["--exec", `echo ${String(number)} >> '${seen}'; echo loud`]),
  );
  const renewals = () => issuedTo(server.home, "pair").length - 1;
  await eventually(() => {
    expect(renewals()).toBeGreaterThanOrEqual(1);
  });
  const port = new URL(server.ca).port;
  await server.kill();
  await eventually(() => {
    for (const each of pair)
      expect(each.lines()).toContainEqual(
        expect.objectContaining({ event: "fault", code: "SERVER_UNREACHABLE" }),
      );
  });
  const before = renewals();
  server = await serveHome(server.workspace, { serve: ["--ca-listen", `127.0.0.1:${port}`] });
  await eventually(() => {
    expect(renewals()).toBeGreaterThan(before);
    for (const each of pair) expect(each.count("told")).toBeGreaterThanOrEqual(2);
  });
  expect(await Promise.all(pair.map(({ stop }) => stop()))).toEqual([0, 0]);
  for (const each of pair) {
    expect(each.lines().at(-1)).toMatchObject({ event: "stopped" });
    expect(each.output()).not.toMatch(/PRIVATE|BEGIN/);
  }
  const issued = issuedTo(server.home, "pair");
  expect(issued.at(-1)?.fingerprint).toBe(heldBy(files));
  expect(issued.map(({ status }) => status)).not.toContain("suspended");
  expect(cloneAlarms(server.home)).toBe(0);
  expect(new Set(readFileSync(seen, "latin1").trim().split("\n"))).toEqual(new Set(["1", "2"]));
});

test("a daemon that nobody listens to renews all the same", async () => {
  const files = await enrolledFiles(server, "unheard");
  const { process: child } = daemon(files);
  child.stdout?.destroy();
  child.stderr?.destroy();
  await eventually(() => {
    expect(issuedTo(server.home, "unheard").length).toBeGreaterThanOrEqual(3);
  });
  expect([child.exitCode, child.signalCode]).toEqual([null, null]);
});

// Nothing but being told ends the waiting before a minute is over.
test("a daemon that is told to stop does not wait for the CA's answer", { timeout: 45_000 }, async () => {
  const files = await enrolledFiles(server, "stopped");
  const { url, called } = await drippingCa(server.home);
  const waiting = daemon(files, ["--ca-url", url]);
  await called;
  expect(await waiting.stop()).toBe(0);
  expect(waiting.lines().at(-1)).toMatchObject({ event: "stopped" });
  expect(waiting.count("fault")).toBe(0);
});

test("with its disk full, a daemon has no answer to keep, and once there is room asks for the same one", async (context) => {
  requireProgram(context, "prlimit", "util-linux");
  const files = await enrolledFiles(server, "cramped");
  // Near its end, so that it is due, and tried again soon; what comes of it lives long enough for any machine.
  const due = await issuedAt(server.home, "cramped", 12 * SECOND - 30 * DAY, "device");
  writeFileSync(files.key, due.key);
  writeFileSync(files.cert, due.cert);
  // 1 KiB for each file: enough for a key and its CSR, not for a chain. A limit is as good as a disk that is full.
  const limited = ["sh", "-c", 'ulimit -S -f 2 && exec "$@"', "sh"];
  const cramped = daemon(files, [], limited);
  await eventually(() => {
    expect(cramped.lines()).toContainEqual(
      expect.objectContaining({ event: "fault", code: "FILE_UNREADABLE" }),
    );
  });
  const csr = readFileSync(`${files.key}.next.csr`);
  expect(existsSync(`${files.cert}.next`)).toBe(false);
  const issued = issuedTo(server.home, "cramped").map(({ fingerprint }) => fingerprint);
  expect(issued).toHaveLength(3);
  expect(heldBy(files)).toBe(due.fingerprint);
  const [answer] = issued.slice(2);
  expect(readFileSync(`${files.key}.next.csr`)).toEqual(csr);
  await runOk("prlimit", ["--pid", String(cramped.process.pid), "--fsize=unlimited:unlimited"]);
  await eventually(() => {
    expect(cramped.count("renewed")).toBeGreaterThan(0);
  });
  expect(cramped.lines().find(({ event }) => event === "renewed")).toMatchObject({
    fingerprint: answer,
  });
  expect(await cramped.stop()).toBe(0);
  expect(issuedTo(server.home, "cramped").map(({ status }) => status)).not.toContain("suspended");
});

test("what was retired is not renewed again by whoever has a copy", async () => {
  const files = await enrolledFiles(server, "copied", "--profile", "kept");
  const copy = await enrolledFiles(server, "copied", "--profile", "kept");
  for (const which of ["key", "cert"] as const) copyFileSync(files[which], copy[which]);
  const renew = ({ key, cert, ca }: ClientFolder) =>
    command(["renew", "--force", "--json", "--key", key, "--cert", cert, "--ca", ca, "--ca-url", server.ca]);
  const retired = heldBy(files);
  expect(await renew(files)).toMatchObject({ code: 0 });
  const stateOf = (wanted: string) =>
    issuedTo(server.home, "copied").find(({ fingerprint }) => fingerprint === wanted)?.status;
  await expect.poll(() => stateOf(retired)).toBe("revoked");
  const ran = await renew(copy);
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(JSON.parse(ran.stderr)).toMatchObject({
    code: "RENEWED_BEFORE",
    message: expect.stringContaining("its key may have been copied") as string,
  });
  expect(heldBy(copy)).toBe(retired);
});

test.each(["countersign-renew@.service", "countersign-renew-once@.service"])(
  "the command of examples/renewal/%s runs, and calls `changed` after a renewal",
  async (unit) => {
    const files = await enrolledFiles(server, "unit");
    writeFileSync(join(files.path, "changed"), "#!/bin/sh\necho changed >> seen\n", { mode: 0o755 });
    const text = readFileSync(join(projectRoot, "examples", "renewal", unit), "utf8");
    const [, line = ""] = /^ExecStart=\/usr\/local\/bin\/countersign (.*)$/m.exec(text) ?? [];
    const env = { ...process.env, COUNTERSIGN_CA_URL: server.ca };
    const command = `exec '${join(projectRoot, "bin", "countersign")}' ${line}`;
    const before = heldBy(files);
    const seen = () => existsSync(join(files.path, "seen"));
    const start = () => {
      const child = spawn("sh", ["-c", command], { cwd: files.path, env, stdio: "ignore" });
      onTestFinished(() => void child.kill("SIGKILL"));
      return { child, ended: once(child, "exit") as Promise<[number | null]> };
    };
    if (line.includes("--daemon")) {
      const { child, ended } = start();
      await expect.poll(seen).toBe(true);
      child.kill("SIGTERM");
      expect((await ended)[0]).toBe(0);
    } else {
      do expect((await start().ended)[0]).toBe(0);
      while (!seen()); // it is due within seconds
    }
    expect(heldBy(files)).not.toBe(before);
  },
);
