import { createRequire } from "node:module";
import type { SecureContext } from "node:tls";
import type { Agent, Dispatcher } from "undici";
import type * as Undici from "undici";
import type { Identity } from "./identity.ts";
import type { KeptIdentity } from "./kept-identity.ts";

const require = createRequire(import.meta.url);

/** Of undici's `Agent`: `connections`, timeouts and the like. */
export type DispatcherOptions = Pick<Agent.Options, (typeof dispatcherOptionNames)[number]>;

export const dispatcherOptionNames = [
  "allowH2",
  "bodyTimeout",
  "connections",
  "headersTimeout",
  "keepAliveMaxTimeout",
  "keepAliveTimeout",
  "maxHeaderSize",
  "maxResponseSize",
  "pipelining",
] as const;

/**
 * An undici dispatcher with an `Agent` for each identity that there is in its time: requests go to the current one's, and a
 * former one's is closed once what is under way there has ended.
 *
 * @param servername sent in TLS, in place of the URL's host
 */
export function renewingDispatcher(
  kept: KeptIdentity,
  contextOf: (identity: Identity) => SecureContext,
  options: DispatcherOptions,
  servername: { readonly servername?: string },
): Dispatcher {
  // Takes longer to load than all the rest, which whoever uses the agent alone need not wait for.
  const undici = require("undici") as typeof Undici;
  const open = (identity: Identity): Agent => {
    const connect = { ...servername, secureContext: contextOf(identity), rejectUnauthorized: true };
    return new undici.Agent({ ...options, connect });
  };

  class RenewingDispatcher extends undici.Dispatcher {
    #agent: Agent;
    readonly #all = new Set<Agent>();
    #isClosed = false;

    constructor() {
      super();
      this.#agent = this.#open();
      kept.onSwap(() => {
        const former = this.#agent;
        this.#agent = this.#open();
        void former.close().finally(() => this.#all.delete(former));
      });
    }

    override dispatch(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      const renewing = this.#isClosed ? undefined : kept.ready();
      if (!renewing) return this.#agent.dispatch(request, handler);
      void renewing.then(() => this.#agent.dispatch(request, handler));
      return true;
    }

    override close(): Promise<void>;
    override close(callback: () => void): void;
    override close(callback?: () => void): Promise<void> | undefined {
      return this.#end((agent) => (agent.destroyed ? Promise.resolve() : agent.close()), callback);
    }

    override destroy(error?: Error | null): Promise<void>;
    override destroy(callback: () => void): void;
    override destroy(error: Error | null, callback: () => void): void;
    override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | undefined {
      const reason = typeof error === "function" ? null : (error ?? null);
      return this.#end((agent) => agent.destroy(reason), typeof error === "function" ? error : callback);
    }

    #open(): Agent {
      const agent = open(kept.current);
      agent
        .on("connect", (...args) => this.emit("connect", ...args))
        .on("connectionError", (...args) => this.emit("connectionError", ...args))
        .on("disconnect", (...args) => this.emit("disconnect", ...args))
        .on("drain", (...args) => this.emit("drain", ...args));
      this.#all.add(agent);
      return agent;
    }

    #end(end: (agent: Agent) => Promise<void>, callback?: () => void): Promise<void> | undefined {
      this.#isClosed = true;
      kept.stop();
      const ended = Promise.all([...this.#all].map(end)).then(() => undefined);
      if (!callback) return ended;
      void ended.then(callback);
      return undefined;
    }
  }
  return new RenewingDispatcher();
}
