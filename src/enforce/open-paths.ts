import { Refusal } from "../domain/errors.ts";
import type { Incoming } from "./transport.ts";

/** A path that needs no certificate, for GET and HEAD unless the methods are given. */
export type OpenPath = string | { readonly path: string; readonly methods: readonly string[] };

const reading = ["GET", "HEAD"];

/**
 * The paths that need no certificate. They are compared, octet for octet, with the path as it was sent, without its query:
 * one with dot segments, encoded letters, doubled slashes or an authority before it is none of them.
 */
export class OpenPaths {
  readonly #methods = new Map<string, readonly string[]>();

  /** @throws Refusal CONFIG_INVALID, naming every path that is not plain */
  constructor(paths: readonly OpenPath[]) {
    const faults: string[] = [];
    for (const each of paths) {
      const { path, methods } = typeof each === "string" ? { path: each, methods: reading } : each;
      if (!isPlain(path)) faults.push(`open: '${path}' is not a plain path such as /healthz`);
      this.#methods.set(path, [...(this.#methods.get(path) ?? []), ...methods]);
    }
    if (faults.length > 0) throw new Refusal("CONFIG_INVALID", `${faults.join("; ")}.`);
  }

  covers(request: Incoming): boolean {
    // Express takes off `url` what a router is mounted at, Fastify rewrites it; this is what was asked.
    const { originalUrl } = request as { readonly originalUrl?: unknown };
    const target = typeof originalUrl === "string" ? originalUrl : (request.url ?? "");
    const query = target.indexOf("?");
    const methods = this.#methods.get(query < 0 ? target : target.slice(0, query));
    return methods?.includes(request.method ?? "") ?? false;
  }
}

function isPlain(path: string): boolean {
  if (!/^(?:\/[A-Za-z0-9._~-]+)+$|^\/$/.test(path)) return false;
  return !path.split("/").some((segment) => segment === "." || segment === "..");
}
