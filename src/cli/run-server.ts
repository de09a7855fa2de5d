import type { Logger } from "../domain/ports.ts";

/** Told that the process is to stop. Ask before anything slow, so that a signal in the first second ends cleanly too. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, resolve);
  });
}

/** On standard error, at once: standard output is for what a command says. */
export async function serverLogger(): Promise<Logger> {
  const { pino } = await import("pino");
  const logger: Logger = pino({ name: "countersign" }, pino.destination({ fd: 2, sync: true }));
  return logger;
}

/**
 * Says where a server listens, and keeps it until the process is to stop; SIGHUP has it reload.
 *
 * @param say where it listens, in words
 * @param begun what else there is to do once that is said
 */
export async function runServer<Listening extends object>(
  server: { readonly listening: Listening; reload(): void; stop(): Promise<void> },
  parts: {
    readonly stopped: Promise<NodeJS.Signals>;
    readonly logger: Logger;
    readonly json: boolean | undefined;
    readonly say: (listening: Listening) => string;
    readonly begun?: () => Promise<void>;
  },
): Promise<void> {
  const { stopped, logger, json, say, begun } = parts;
  process.on("SIGHUP", () => {
    server.reload();
  });
  try {
    const { listening } = server;
    process.stdout.write(`${json ? JSON.stringify({ event: "listening", ...listening }) : say(listening)}\n`);
    await begun?.();
    logger.info({ signal: await stopped }, "stopping");
  } finally {
    await server.stop();
    logger.info({}, "stopped");
  }
}
