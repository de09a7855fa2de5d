import { join } from "node:path";
import { type Started, start } from "./processes.ts";

// A worker is a file of the bench in a process of its own, which can be pinned; it answers questions over Node's IPC.

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any argument: each method says its own
type Methods = Readonly<Record<string, (argument: any) => unknown>>;

export interface Worker<M extends Methods> {
  readonly pid: number;
  /** One question at a time. */
  readonly ask: <K extends keyof M & string>(
    name: K,
    argument: Parameters<M[K]>[0],
  ) => Promise<Awaited<ReturnType<M[K]>>>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts `bench/FILE`.
 *
 * @param prefix a command that runs it, such as taskset's
 */
export function startWorker<M extends Methods>(
  file: string,
  prefix: readonly string[],
  signal: AbortSignal,
): Worker<M> {
  const command = [...prefix, process.execPath, join(import.meta.dirname, file)];
  const started: Started = start(command, signal, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const { child } = started;
  return {
    pid: started.pid,
    stop: started.stop,
    async ask(name, argument) {
      const answered = new Promise<Answer>((resolve) =>
        child.once("message", resolve as (a: unknown) => void),
      );
      child.send({ name, argument } satisfies Question);
      const answer = await Promise.race([answered, started.failed]);
      if (answer.error !== undefined) throw new Error(`${file}: ${answer.error}`);
      return answer.value as never;
    },
  };
}

interface Question {
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly value?: unknown;
  readonly error?: string;
}

/** The worker's side. The process ends with its parent. */
export function answerParent(methods: Methods): void {
  process.on("disconnect", () => process.exit());
  process.on("message", ({ name, argument }: Question) => {
    void answer(methods, name, argument).then((said) => process.send?.(said));
  });
}

async function answer(methods: Methods, name: string, argument: unknown): Promise<Answer> {
  try {
    return { value: await methods[name]?.(argument) };
  } catch (error) {
    return { error: String(error) };
  }
}
