import { type StatsListener, unwatchFile, watchFile } from "node:fs";
import { join } from "node:path";
import { type Config, type ConfigReading, type RawConfig, readConfig, readConfigFile } from "../config.ts";
import type { Logger } from "../domain/ports.ts";
import type { Gateway } from "../enforce/gateway/gateway.ts";
import { loadGateway } from "../home/gateway.ts";
import { systemClock, urlHost } from "../home/open.ts";
import { wholeConfig } from "../home/whole-config.ts";

/** Milliseconds: a file may lie where nothing tells of changes. */
const LOOK_EVERY = 1000;

/** Has a gateway take its routes and upstreams anew when config.json has changed, or when it is told to. */
export class RouteReloading {
  readonly #gateway: Gateway;
  readonly #logger: Logger;
  readonly #started: Config;
  readonly #file: string;
  readonly #onChanged: StatsListener;
  readonly #settings: string;

  /** @param config what the process was started with */
  constructor(gateway: Gateway, config: Config, logger: Logger) {
    this.#gateway = gateway;
    this.#logger = logger;
    this.#started = config;
    this.#settings = settingsOf(readAgain(config).config ?? config);
    this.#file = join(config.home, "config.json");
    this.#onChanged = (now, before) => {
      if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino || now.size !== before.size) this.reload();
    };
    watchFile(this.#file, { interval: LOOK_EVERY, persistent: false }, this.#onChanged);
  }

  /** A bad configuration changes nothing, and the log says why. */
  reload(): void {
    try {
      const config = wholeConfig(readAgain(this.#started), systemClock.now());
      const { routes, upstreams } = loadGateway(config);
      this.#gateway.reconfigure({ routes, upstreams });
      const names = { routes: routes.map(({ name }) => name), upstreams: upstreams.map(({ name }) => name) };
      this.#logger.info(names, "the routes were read again");
      if (settingsOf(config) !== this.#settings)
        this.#logger.warn(
          {},
          "other settings than routes and upstreams have changed: they hold from the next start on",
        );
    } catch (error) {
      this.#logger.error({ err: error }, "the routes were not read again: the old ones stay");
    }
  }

  stop(): void {
    unwatchFile(this.#file, this.#onChanged);
  }
}

/** As the file has it now. Flags say nothing of routes, but where the process listens they must not lead to. */
function readAgain({ home, listen }: Config): ConfigReading {
  const own = Object.entries(listen).map(([name, { host, port }]) => [
    name,
    `${urlHost(host)}:${String(port)}`,
  ]);
  return readConfig(
    home,
    { listen: Object.fromEntries(own) as RawConfig["listen"] },
    process.env,
    readConfigFile(home),
  );
}

/** All but what can be taken anew. */
function settingsOf(config: Config): string {
  return JSON.stringify({ ...config, routes: [], upstreams: {} });
}
