import { join } from "node:path";

/** The issuing CA that `init` makes, and that profiles name unless they say otherwise. */
export const DEFAULT_ISSUER = "default";

/** Where things are in a home (docs/operations.md). */
export function homePaths(home: string) {
  return {
    config: join(home, "config.json"),
    profiles: join(home, "profiles"),
    certs: join(home, "certs"),
    secrets: join(home, "secrets"),
    trust: join(home, "trust"),
    database: join(home, "countersign.sqlite"),
    lastSeen: join(home, "last-seen.json"),
    rootCert: join(home, "certs", "root.crt"),
    issuerCert: join(home, "certs", "issuer.crt"),
    serverCert: join(home, "certs", "server.crt"),
    rootKey: join(home, "secrets", "root.key"),
    rootPassword: join(home, "secrets", "root.password"),
    issuerKey: join(home, "secrets", "issuer.key"),
    serverKey: join(home, "secrets", "server.key"),
    password: join(home, "secrets", "password"),
  } as const;
}

/** Where an issuing CA's certificate and key are. */
export function issuerPaths(home: string, name: string): { readonly cert: string; readonly key: string } {
  const { certs, secrets, issuerCert, issuerKey } = homePaths(home);
  if (name === DEFAULT_ISSUER) return { cert: issuerCert, key: issuerKey };
  return { cert: join(certs, "issuers", `${name}.crt`), key: join(secrets, "issuers", `${name}.key`) };
}
