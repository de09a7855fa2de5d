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
    const faults = openPathFaults(paths);
    if (faults.length > 0) throw new Refusal("CONFIG_INVALID", `${faults.join("; ")}.`);
    for (const each of paths) {
      const { path, methods } = typeof each === "string" ? { path: each, methods: reading } : each;
      this.#methods.set(path, [...(this.#methods.get(path) ?? []), ...methods]);
    }
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

/** What is wrong with a list of open paths; nothing, if empty. */
export function openPathFaults(paths: unknown): string[] {
  if (!Array.isArray(paths)) return ["open: not a list of paths"];
  return paths.flatMap((each: unknown) => {
    const { path, methods, ...others } = toFields(each);
    if (typeof path !== "string" || !isPlain(path))
      return [`open: '${String(path)}' is not a plain path such as /healthz`];
    const isFit = Array.isArray(methods) && methods.length > 0 && methods.every(isMethod);
    const unfit = isFit ? [] : [`open: the methods of '${path}' are not a list such as ["GET"]`];
    return [...unfit, ...Object.keys(others).map((name) => `open: '${path}' has no option '${name}'`)];
  });
}

function toFields(open: unknown): Record<string, unknown> {
  if (typeof open === "string") return { path: open, methods: reading };
  return typeof open === "object" && open !== null ? { ...open } : { path: open };
}

/** As they are sent: in capitals. */
function isMethod(method: unknown): boolean {
  return typeof method === "string" && /^[A-Z-]+$/.test(method);
}

function isPlain(path: string): boolean {
  if (!/^(?:\/[A-Za-z0-9._~-]+)+$|^\/$/.test(path)) return false;
  return !path.split("/").some((segment) => segment === "." || segment === "..");
}
