import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { refuseConfig } from "../config-fields.ts";
import type { Config } from "../config.ts";
import { type SoundUpstreams, toRoutes } from "../config-routes.ts";
import type { Route } from "../domain/route.ts";
import type { UpstreamSettings } from "../domain/upstream.ts";

/**
 * Reads what `routes` and `upstreams` in config.json name; relative paths are the home's.
 *
 * @throws Refusal CONFIG_INVALID, naming every fault.
 */
export function loadGateway(config: Pick<Config, "home" | "routes" | "upstreams">): {
  readonly routes: readonly Route[];
  readonly upstreams: readonly UpstreamSettings[];
} {
  const { home } = config;
  const faults: string[] = [];
  const upstreams = Object.entries(config.upstreams).map(([name, given]) => {
    const files = readFiles(home, name, given);
    faults.push(...files.faults);
    const { url, socket, connectTime, connections, serverName, health } = given;
    return {
      ...{ name, origin: url, connectTime, connections, health },
      socket: socket === undefined ? undefined : resolve(home, socket),
      tls: { ...files.pem, servername: serverName },
    };
  });
  if (faults.length > 0) refuseConfig(faults);
  return { routes: toRoutes(config.routes), upstreams };
}

/** What is wrong with the files of those upstreams that are well formed so far. */
export function upstreamFileFaults(home: string, upstreams: SoundUpstreams): string[] {
  return Object.entries(upstreams).flatMap(([name, given]) => [...readFiles(home, name, given).faults]);
}

const kinds = {
  ca: (pem: string) => new X509Certificate(pem),
  cert: (pem: string) => new X509Certificate(pem),
  key: (pem: string) => createPrivateKey(pem),
};
type Kind = keyof typeof kinds;

function readFiles(
  home: string,
  name: string,
  files: Partial<Record<Kind, string | undefined>>,
): { readonly pem: Record<Kind, string | undefined>; readonly faults: readonly string[] } {
  const faults: string[] = [];
  const read = (kind: Kind): string | undefined => {
    const file = files[kind];
    if (file === undefined) return undefined;
    const path = resolve(home, file);
    const pem = readOr(path);
    if (pem === undefined) faults.push(`upstreams.${name}.${kind}: ${path} cannot be read`);
    else if (!passes(kinds[kind], pem))
      faults.push(`upstreams.${name}.${kind}: ${path} is not what it should be`);
    return pem;
  };
  const pem = { ca: read("ca"), cert: read("cert"), key: read("key") };
  if (areOfTwoPairs(pem)) faults.push(`upstreams.${name}: cert and key are not of one pair`);
  return { pem, faults };
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

function passes(check: (pem: string) => unknown, pem: string): boolean {
  try {
    check(pem);
    return true;
  } catch {
    return false;
  }
}

/** Whether a certificate and a key, PEM, are each well formed, but the one is not the other's: each handshake would fail. */
function areOfTwoPairs({ cert, key }: Partial<Record<"cert" | "key", string | undefined>>): boolean {
  if (cert === undefined || key === undefined) return false;
  try {
    return !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false; // what is wrong with one of them is said of that one
  }
}
