import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { readConfigFile, resolveConfig } from "../src/config.ts";
import { parseFingerprint } from "../src/domain/identifiers.ts";
import { openState, systemClock } from "../src/home/open.ts";
import { revoke } from "../src/services/revocation.ts";
import { type TestCredential, call, enrolled, keepAlive } from "../test/support/client.ts";
import { putRevoked } from "../test/support/revoked-rows.ts";
import { type TestServer, serveHome, startTestServer } from "../test/support/server.ts";
import { memory, resetPeak } from "./procfs.ts";
import { percentile } from "./statistics.ts";

const SIZES = [10_000, 100_000, 1_000_000];

interface Figures {
  readonly entries: number;
  readonly fromDatabaseMs: number;
  readonly oneMoreMs: readonly number[];
  readonly idleMiB: number;
  readonly peakMiB: number;
  readonly afterMiB: number;
  readonly worstDelayMs: number;
  readonly calls: {
    readonly made: number;
    readonly failed: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
  readonly opensslMs: number;
}

/** A real server with that many revoked certificates in its database; and `openssl ca -gencrl` with as many. */
export async function benchCrl(flags: readonly string[]): Promise<{ text: string; figures: object }> {
  const { values } = parseArgs({ args: [...flags], options: { entries: { type: "string" } } });
  const sizes = values.entries === undefined ? SIZES : [Number(values.entries)];
  const most = SIZES.at(-1) ?? 0;
  if (sizes.some((size) => !Number.isInteger(size) || size < 1 || size > most)) {
    const fault = new Error(
      `'--entries ${String(values.entries)}' is not a number from 1 to ${String(most)}`,
    );
    throw Object.assign(fault, { code: "ERR_PARSE_ARGS_ENTRIES" });
  }
  const figures: Figures[] = [];
  for (const entries of sizes) {
    process.stderr.write(`${String(entries)} entries\n`);
    figures.push(await measure(entries));
  }
  return { text: report(figures), figures: { crls: figures } };
}

async function measure(entries: number): Promise<Figures> {
  const first = await startTestServer();
  const { workspace } = first;
  let server: TestServer = first;
  try {
    const credential = await enrolled(first, await first.token("bench"));
    const victims: TestCredential[] = [];
    for (let i = 0; i < 4; i++) victims.push(await enrolled(first, await first.token("bench")));
    // Its CRL is current and has no entries yet: this is the idle server, whatever is in the database.
    await first.stop();
    await putRevoked(join(first.home, "countersign.sqlite"), { count: entries });
    server = await serveHome(workspace, {
      env: { NODE_OPTIONS: `--import=${join(import.meta.dirname, "crl/probe.ts")} --max-semi-space-size=8` },
    });
    const pid = server.process.pid ?? 0;
    const idle = memory(pid).now;
    resetPeak(pid);
    const bystander = watch(server, credential);
    process.kill(pid, "SIGUSR2"); // the probe begins anew
    const database = await openState(resolveConfig(server.home, {}, {}, readConfigFile(server.home)));
    const took: number[] = [];
    for (const victim of victims) {
      await revoke(
        database,
        { clock: systemClock, actor: "bench" },
        { fingerprint: parseFingerprint(victim.fingerprint) },
        "superseded",
      );
      took.push(await nextBuild(server));
    }
    await database.close();
    const calls = await bystander();
    const peak = memory(pid);
    const worstDelayMs = await worstDelay(server);
    const [fromDatabaseMs = Number.NaN, ...oneMoreMs] = took;
    const opensslMs = await openssl(workspace.file("openssl"), entries);
    return {
      ...{ entries, fromDatabaseMs, oneMoreMs, idleMiB: idle, peakMiB: peak.peak, afterMiB: peak.now },
      ...{ worstDelayMs, calls, opensslMs },
    };
  } finally {
    await server.stop();
    await workspace.remove();
  }
}

/** Waits for the next CRL; returns what it took from the records to its being on record, by the server's own gauge; ms. */
async function nextBuild(server: TestServer): Promise<number> {
  const gauge = async (name: string): Promise<number> => {
    const text = await (await fetch(`${server.metrics}/metrics`)).text();
    return Number(new RegExp(`^countersign_crl_${name}\\{issuer="default"\\} (.*)$`, "m").exec(text)?.[1]);
  };
  const before = await gauge("number");
  while ((await gauge("number")) === before) await new Promise((resolve) => setTimeout(resolve, 25));
  return (await gauge("build_seconds")) * 1000;
}

/** Calls all the while, every few milliseconds. */
function watch(server: TestServer, credential: TestCredential): () => Promise<Figures["calls"]> {
  const agent = keepAlive(credential);
  const times: number[] = [];
  let [failed, isOver] = [0, false];
  const running = (async () => {
    while (!isOver) {
      const begun = performance.now();
      const { status } = await call(`${server.enforce}/whoami`, { agent }).catch(() => ({ status: 0 }));
      times.push(performance.now() - begun);
      if (status !== 200) failed += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return async () => {
    isOver = true;
    await running;
    agent.destroy();
    return { made: times.length, failed, p99Ms: percentile(times, 0.99), maxMs: Math.max(...times) };
  };
}

/** What the probe in the server's main thread has seen since it began anew; ms. */
async function worstDelay(server: TestServer): Promise<number> {
  const seen = /worst delay (\d+(?:\.\d+)?) ms/g;
  const told = (): RegExpExecArray[] => [...server.log().matchAll(seen)];
  const before = told().length;
  process.kill(server.process.pid ?? 0, "SIGUSR2");
  while (told().length === before) await new Promise((resolve) => setTimeout(resolve, 10));
  return Number(told().at(-1)?.[1]);
}

/** `openssl ca -gencrl` with an index.txt of the same size; ms. */
async function openssl(folder: string, entries: number): Promise<number> {
  mkdirSync(folder);
  const file = (name: string): string => join(folder, name);
  const lines: string[] = [];
  for (let i = 0; i < entries; i++) {
    const serial = createHash("sha256").update(String(i)).digest("hex").slice(0, 36).toUpperCase();
    lines.push(`R\t301231235959Z\t261101000000Z,superseded\t7A${serial}\tunknown\t/CN=${String(i)}\n`);
  }
  writeFileSync(file("index.txt"), lines.join(""));
  writeFileSync(file("index.txt.attr"), "unique_subject = no\n");
  writeFileSync(file("crlnumber"), "01\n");
  writeFileSync(
    file("ca.cnf"),
    `[ca]\ndefault_ca=c\n[c]\ndatabase=${file("index.txt")}\ncrlnumber=${file("crlnumber")}\ndefault_md=sha256\ndefault_crl_days=1\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n`,
  );
  const run = promisify(execFile);
  await run("openssl", [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.crt"),
    "-subj",
    `/CN=${randomBytes(4).toString("hex")}`,
  ]);
  const begun = performance.now();
  await run("openssl", [
    "ca",
    "-gencrl",
    "-config",
    file("ca.cnf"),
    "-keyfile",
    file("ca.key"),
    "-cert",
    file("ca.crt"),
    "-out",
    file("crl.pem"),
  ]);
  return performance.now() - begun;
}

function report(all: readonly Figures[]): string {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  const lines = all.map((row) =>
    [
      `${String(row.entries)} entries:`,
      `  from the database ${ms(row.fromDatabaseMs)}; one more ${row.oneMoreMs.map(ms).join(", ")}`,
      `  openssl ca -gencrl ${ms(row.opensslMs)}`,
      `  memory: idle ${row.idleMiB.toFixed(0)}, at most +${(row.peakMiB - row.idleMiB).toFixed(0)}, after +${(row.afterMiB - row.idleMiB).toFixed(0)} MiB`,
      `  event loop's worst delay ${ms(row.worstDelayMs)}; ${String(row.calls.made)} calls meanwhile, ${String(row.calls.failed)} failed, p99 ${ms(row.calls.p99Ms)}, max ${ms(row.calls.maxMs)}`,
    ].join("\n"),
  );
  return lines.join("\n");
}
