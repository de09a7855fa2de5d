import { spawn } from "node:child_process";
import { once } from "node:events";
import { Refusal } from "../domain/errors.ts";
import { MINUTE } from "../domain/time.ts";
import { readOwnFile } from "../files/files.ts";

/** For a command that hangs. */
const PATIENCE = 5 * MINUTE;

export interface TellFlags {
  readonly exec?: string;
  readonly signal?: NodeJS.Signals;
  readonly pidFile?: string;
}

/** What tells those who use a credential's files of a change; `undefined` when nobody is to be told. */
export function tellerOf({
  exec,
  signal,
  pidFile,
}: TellFlags): ((stop: AbortSignal) => Promise<void>) | undefined {
  if (exec !== undefined) return (stop) => execute(exec, stop);
  if (signal === undefined || pidFile === undefined) return undefined;
  return async () => {
    sendSignal(signal, pidFile);
    return Promise.resolve();
  };
}

/** By the shell, in a group of its own. What it prints goes to standard error: standard output is ours. */
async function execute(command: string, stop: AbortSignal): Promise<void> {
  const child = spawn(command, { shell: true, stdio: ["ignore", 2, 2], detached: true });
  const end = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
  };
  const patience = setTimeout(end, PATIENCE);
  stop.addEventListener("abort", end);
  try {
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    if (code !== 0) throw failed(`The command ended with ${String(code ?? signal)}.`);
  } catch (error) {
    throw error instanceof Refusal ? error : failed(`The command cannot be run: ${String(error)}.`);
  } finally {
    clearTimeout(patience);
    stop.removeEventListener("abort", end);
  }
}

function sendSignal(signal: NodeJS.Signals, pidFile: string): void {
  const text = pidIn(pidFile);
  // 0 and what is negative would be groups of processes.
  if (!/^[1-9][0-9]{0,9}$/.test(text)) throw failed(`${pidFile} does not hold a process's number.`);
  try {
    process.kill(Number(text), signal);
  } catch (error) {
    throw failed(
      `The process ${text} cannot be sent ${signal} (${(error as NodeJS.ErrnoException).code ?? ""}).`,
    );
  }
}

/** Who may write to it could have us signal any process, and as root. */
function pidIn(pidFile: string): string {
  try {
    return readOwnFile(pidFile, "Nobody was signalled.").toString("latin1").trim();
  } catch (error) {
    if (error instanceof Refusal) throw failed(error.message, error.detail);
    throw error;
  }
}

function failed(what: string, detail?: string): Refusal {
  return new Refusal(
    "COMMAND_FAILED",
    `The certificate was renewed, but nobody was told of it. ${what}`,
    detail,
  );
}
