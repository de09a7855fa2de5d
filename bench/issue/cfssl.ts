import { writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type Surroundings, freePort, start, untilListening } from "../processes.ts";
import { makeAuthority } from "./authority.ts";
import type { Target } from "./measure.ts";

/** Lends `cfssl serve` with a P-256 CA. It asks for no token and keeps no database. */
export async function withCfssl<T>(
  { folder, pinning, signal }: Surroundings,
  requests: number,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const own = await mkdtemp(join(folder, "cfssl-"));
  const [cert, key, config] = ["ca.crt", "ca.key", "config.json"].map((name) => join(own, name)) as [
    string,
    string,
    string,
  ];
  const { pem } = await makeAuthority();
  writeFileSync(cert, pem.cert);
  writeFileSync(key, pem.key, { mode: 0o600 });
  writeFileSync(config, JSON.stringify(policy));
  const port = await freePort();
  const command = [
    ...[
      ...pinning.server,
      "cfssl",
      "serve",
      "-loglevel",
      "5",
      "-address",
      "127.0.0.1",
      "-port",
      String(port),
    ],
    ...["-ca", cert, "-ca-key", key, "-tls-cert", cert, "-tls-key", key, "-config", config],
  ];
  const server = start(command, signal);
  try {
    await untilListening(server, port);
    const url = `https://127.0.0.1:${String(port)}`;
    const tokens = Array<string>(requests).fill("");
    return await use({ pid: server.pid, url, ca: pem.cert, dialect: "cfssl", tokens });
  } finally {
    await server.stop();
  }
}

/** A certificate like ours: client authentication, a day, the URLs. */
const policy = {
  signing: {
    default: {
      usages: ["digital signature", "client auth"],
      expiry: "24h",
      crl_url: "http://127.0.0.1:8080/crl/bench.crl",
      ocsp_url: "http://127.0.0.1:8080/ocsp",
      issuer_urls: ["http://127.0.0.1:8080/issuers/bench.crt"],
    },
  },
};
