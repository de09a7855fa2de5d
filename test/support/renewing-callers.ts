import { onTestFinished } from "vitest";
import { request } from "undici";
import { type ClientOptions, createAgent, createDispatcher } from "../../src/client/index.ts";
import { call } from "./client.ts";

/** One of the ways to call with an identity that renews itself. */
export interface RenewingCaller {
  /** The answer's text. Rejects when there is none. */
  get(url: string): Promise<string>;
  /** Closes what is idle, and everything else once it has been answered, if it can wait. */
  end(): Promise<void>;
}

/** @param most connections at once */
type CallerOf = (options: ClientOptions, most?: number) => RenewingCaller;

const byDispatcher =
  (get: (url: string, dispatcher: ReturnType<typeof createDispatcher>) => Promise<string>): CallerOf =>
  (options, most) => {
    const dispatcher = createDispatcher({ ...options, ...(most === undefined ? {} : { connections: most }) });
    return { get: (url) => get(url, dispatcher), end: () => dispatcher.close() };
  };

export const ways = [
  "createAgent, https.request",
  "createDispatcher, Node's fetch",
  "createDispatcher, undici.request",
] as const;
export type Way = (typeof ways)[number];

export const renewingCallers: Readonly<Record<Way, CallerOf>> = {
  "createAgent, https.request": (options, most) => {
    const agent = createAgent({ ...options, ...(most === undefined ? {} : { maxSockets: most }) });
    return {
      get: async (url) => (await call(url, { agent })).text,
      end() {
        agent.destroy();
        return Promise.resolve();
      },
    };
  },
  "createDispatcher, Node's fetch": byDispatcher(async (url, dispatcher) =>
    (await fetch(url, { dispatcher })).text(),
  ),
  "createDispatcher, undici.request": byDispatcher(async (url, dispatcher) =>
    (await request(url, { dispatcher })).body.text(),
  ),
};

/** A caller until the running test ends. */
export function callerFor(way: Way, options: ClientOptions, most?: number): RenewingCaller {
  const caller = renewingCallers[way](options, most);
  onTestFinished(() => caller.end());
  return caller;
}
