import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { oneOf } from "./changes.ts";
import { SCOPE } from "./model.ts";

const BETWEEN = 400;
/** At most, of one upstream. */
export const CONNECTIONS = 64;

/** Writes a home's config.json again and again, fit and unfit. */
export class Reloads {
  readonly #file: string;
  readonly #before: object;
  readonly #url: string;

  /** @param url of the upstream */
  constructor(home: string, url: string) {
    this.#file = join(home, "config.json");
    this.#before = JSON.parse(readFileSync(this.#file, "utf8")) as object;
    this.#url = url;
    this.#write(this.#fit("5s"));
  }

  /**
   * @param reload has the server read it
   * @returns how many of each kind
   */
  async makeUntil(end: number, reload: () => void): Promise<Record<string, number>> {
    const counted: Record<string, number> = {};
    const kinds = Object.entries(this.#kinds());
    while (performance.now() < end) {
      const [kind, text] = oneOf(kinds);
      this.#write(text());
      reload();
      counted[kind] = (counted[kind] ?? 0) + 1;
      await sleep(BETWEEN);
    }
    return counted;
  }

  /** No routes and no upstreams any more. */
  empty(): void {
    this.#write({ upstreams: {}, routes: [] });
  }

  #kinds(): Readonly<Record<string, () => object | string>> {
    const fit = this.#fit("5s");
    return {
      "the same": () => fit,
      "one route more": () => ({ ...fit, routes: [...fit.routes, { path: "/more", upstream: "app" }] }),
      "an upstream that changes": () => this.#fit(`${String(5 + Math.floor(Math.random() * 10))}s`),
      "no JSON": () => "{",
      "a key that there isn't": () => ({ ...fit, routes: [{ path: "/**", upstream: "app", open: true }] }),
      "an upstream that there isn't": () => ({ ...fit, routes: [{ path: "/**", upstream: "none" }] }),
      "two of the same": () => ({ ...fit, routes: [...fit.routes, ...fit.routes] }),
    };
  }

  #fit(connectTime: string): { readonly upstreams: object; readonly routes: readonly object[] } {
    const health = { path: "/healthz", interval: "1s" };
    return {
      upstreams: { app: { url: this.#url, connections: CONNECTIONS, connectTime, health } },
      routes: [
        { path: "/", upstream: "app", scopes: [SCOPE], maxBody: 1_000_000 },
        { path: "/events", upstream: "app", idleTime: "0s" },
        { path: "/chat", upstream: "app", upgrade: ["websocket"] },
      ],
    };
  }

  #write(changes: object | string): void {
    const text = typeof changes === "string" ? changes : JSON.stringify({ ...this.#before, ...changes });
    writeFileSync(this.#file, text);
  }
}
