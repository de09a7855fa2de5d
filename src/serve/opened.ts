import type { Config, ListenerName } from "../config.ts";
import type { Logger } from "../domain/ports.ts";
import { type Server, listen, stopListening } from "../http/server.ts";

/** What a process has open, so that all of it is closed: the servers together and first, then the rest, last opened first. */
export class Opened {
  readonly #servers: Server[] = [];
  readonly #closers: (() => unknown)[] = [];

  /** @param close waited for, if it is a promise that it returns */
  onStop(close: () => unknown): void {
    this.#closers.push(close);
  }

  /**
   * Has a server listen where the configuration says; returns the port.
   *
   * @throws Refusal UNAVAILABLE when the address can't be had
   */
  async listen(
    name: ListenerName,
    server: Server,
    { listen: places }: Config,
    logger: Logger,
  ): Promise<number> {
    const port = await listen(server, places[name], `--${name}-listen HOST:PORT`, (error) => {
      logger.error({ err: error, listener: name }, "a connection could not be accepted");
    });
    this.#servers.push(server);
    return port;
  }

  /** Stops accepting, lets what is under way finish within a limit, and closes everything. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map(stopListening));
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** Starts what `start` opens, with a way to stop it; nothing is left open when it fails. */
export async function started<Result>(
  start: (opened: Opened) => Promise<Result>,
): Promise<Result & { stop(): Promise<void> }> {
  const opened = new Opened();
  try {
    return { ...(await start(opened)), stop: () => opened.stop() };
  } catch (error) {
    await opened.stop();
    throw error;
  }
}
