import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Pinning, findPinning } from "./pinning.ts";

/** What all parts of a bench share. */
export interface Surroundings {
  readonly pinning: Pinning;
  /** A folder that goes away when the bench ends. */
  readonly folder: string;
  /** Ends every process of the bench: at SIGINT, SIGTERM and when the time is up. */
  readonly signal: AbortSignal;
  /** Tells whoever waits what is going on: on standard error. */
  readonly tell: (text: string) => void;
}

/** Runs a bench of several processes; nothing of it is left afterwards, however it ends. */
export async function withSurroundings<T>(
  limitMs: number,
  use: (surroundings: Surroundings) => Promise<T>,
): Promise<T> {
  const stopping = new AbortController();
  const onSignal = (): void => {
    process.exitCode = 130;
    stopping.abort(new Error("interrupted"));
  };
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) process.once(name, onSignal); // a second one ends this process at once
  const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(limitMs)]);
  const folder = await mkdtemp(join(tmpdir(), "countersign-bench-"));
  try {
    const tell = (text: string): void => void process.stderr.write(`${text}\n`);
    return await use({ pinning: await findPinning(), folder, signal, tell });
  } finally {
    for (const name of names) process.off(name, onSignal);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Rejects when the process ends, with what it last wrote to standard error: to race against. */
  readonly failed: Promise<never>;
  /** SIGTERM and wait, SIGKILL after ten seconds. */
  readonly stop: () => Promise<void>;
}

/** Starts a program. Whoever starts it calls `stop` in a `finally`. */
export function start(
  command: readonly string[],
  signal: AbortSignal,
  options: Pick<SpawnOptions, "cwd" | "env" | "stdio"> = {},
): Started {
  signal.throwIfAborted();
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options, signal });
  let complaint = "";
  child.stderr
    ?.setEncoding("utf8")
    .on("data", (text: string) => (complaint = (complaint + text).slice(-2000)));
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => {
      if (child.pid === undefined) resolve(error.message);
    });
    child.on("exit", (code, by) => {
      resolve(`it ended with ${String(code ?? by)}`);
    });
  });
  const failed = ended.then((how): never => {
    signal.throwIfAborted();
    throw new Error(`${command.join(" ").slice(0, 200)}: ${how}\n${complaint}`);
  });
  failed.catch(() => undefined); // not everybody races against it
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(timer);
  };
  return { child, pid: child.pid ?? 0, failed, stop };
}

/** The first line that a program prints. */
export async function firstLine({ child, failed }: Started): Promise<string> {
  if (!child.stdout) throw new TypeError("standard output is not piped");
  const [line] = (await Promise.race([once(createInterface(child.stdout), "line"), failed])) as [string];
  return line;
}

/** Waits until a program that doesn't say when it listens does. */
export async function untilListening({ failed }: Started, port: number): Promise<void> {
  const attempt = async (): Promise<boolean> => {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  };
  while (!(await Promise.race([attempt(), failed]))) await sleep(50);
}

/** For programs that can't say which port they were given: free now, and most likely in a moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}
