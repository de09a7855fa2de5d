import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../config.ts";
import { toRoutes } from "../config-routes.ts";
import { Refusal } from "../domain/errors.ts";
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
  const faults: string[] = [];
  const upstreams = Object.entries(config.upstreams).map(([name, given]) => {
    const read = (kind: "ca" | "cert" | "key", check: (pem: string) => unknown): string | undefined => {
      const file = given[kind];
      if (file === undefined) return undefined;
      const path = resolve(config.home, file);
      const pem = readOr(path);
      if (pem === undefined) faults.push(`upstreams.${name}.${kind}: ${path} cannot be read`);
      else if (!passes(check, pem))
        faults.push(`upstreams.${name}.${kind}: ${path} is not what it should be`);
      return pem;
    };
    const { url, socket, connectTime, connections, serverName, health } = given;
    const files = {
      ca: read("ca", (pem) => new X509Certificate(pem)),
      cert: read("cert", (pem) => new X509Certificate(pem)),
      key: read("key", (pem) => createPrivateKey(pem)),
    };
    if (areOfTwoPairs(files)) faults.push(`upstreams.${name}: cert and key are not of one pair`);
    return {
      ...{ name, origin: url, connectTime, connections, health },
      socket: socket === undefined ? undefined : resolve(config.home, socket),
      tls: { ...files, servername: serverName },
    };
  });
  if (faults.length > 0)
    throw new Refusal("CONFIG_INVALID", `The configuration is not valid: ${faults.join("; ")}.`);
  return { routes: toRoutes(config.routes), upstreams };
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
