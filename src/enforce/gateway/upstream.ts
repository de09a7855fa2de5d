import { isIP } from "node:net";
import { type Dispatcher, Pool, buildConnector } from "undici";
import type { Logger } from "../../domain/ports.ts";
import { SECOND } from "../../domain/time.ts";
import type { UpstreamSettings } from "../../domain/upstream.ts";

/** So many checks in a row have to fail before an upstream counts as down. */
const FAILURES = 2;

/** The connections to one upstream, and how it is. */
export class Upstream {
  readonly settings: UpstreamSettings;
  /** What calls are to go by. */
  readonly dispatcher: Dispatcher;
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(settings: UpstreamSettings, logger: Logger) {
    this.settings = settings;
    this.#logger = logger;
    const { origin, socket, connectTime, connections, tls, health } = settings;
    const given = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
    const { hostname } = new URL(origin);
    const servername = tls.servername ?? hostname.replaceAll(/[[\]]/g, "");
    const connect = buildConnector({
      ...{ ...given, timeout: connectTime },
      ...(socket !== undefined && { socketPath: socket }),
    });
    this.#pool = new Pool(origin, {
      connections,
      pipelining: 1, // an answer that is held up holds up nobody else
      connect(options, callback) {
        connect({ ...options, servername: isIP(servername) ? "" : servername }, callback);
      },
    });
    // undici would take it from each call's Host: a caller would say whose certificate is right, and end connections.
    this.dispatcher = this.#pool.compose(
      (dispatch) => (call, handler) => dispatch({ ...call, ...{ servername } }, handler),
    );
    if (health) {
      const check = (): void => void this.#check(health.path);
      this.#timer = setInterval(check, health.interval).unref();
      check();
    }
  }

  get isUp(): boolean {
    return this.#failures < FAILURES;
  }

  /** Takes no more calls. What is under way ends when it ends: a stream may go on for days. */
  async retire(): Promise<void> {
    clearInterval(this.#timer);
    await this.#pool.close().catch(() => undefined);
  }

  /** Lets what is under way end, within a limit. */
  async close(): Promise<void> {
    const cut = setTimeout(() => void this.#pool.destroy(), CLOSE_LIMIT).unref();
    await this.retire();
    clearTimeout(cut);
  }

  async #check(path: string): Promise<void> {
    const wasUp = this.isUp;
    const fault = await this.#ask(path);
    this.#failures = fault === undefined ? 0 : this.#failures + 1;
    const upstream = this.settings.name;
    const { isUp } = this;
    if (wasUp && !isUp) this.#logger.warn({ upstream, fault }, "an upstream is not well");
    else if (!wasUp && isUp) this.#logger.info({ upstream }, "an upstream is well again");
  }

  /** What is wrong with it; nothing, if undefined. */
  async #ask(path: string): Promise<string | undefined> {
    try {
      const { statusCode, body } = await this.dispatcher.request({
        ...{ path, method: "GET", headersTimeout: HEALTH_LIMIT, bodyTimeout: HEALTH_LIMIT },
        signal: AbortSignal.timeout(HEALTH_LIMIT),
      });
      await body.dump();
      return statusCode < 400 ? undefined : `status ${String(statusCode)}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
}

const HEALTH_LIMIT = 5 * SECOND;
/** When the process stops; its callers have been given their time by then. */
const CLOSE_LIMIT = 2 * SECOND;
