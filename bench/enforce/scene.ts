import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { issuingParts, openState, publicUrlOf, readPassword, systemClock } from "../../src/home/open.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import { runOk } from "../../test/support/run.ts";
import { makeHome } from "../issue/countersign.ts";
import { makeCsr } from "../issue/csr.ts";
import type { Surroundings } from "../processes.ts";

/** A certificate and its key, PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export interface Client extends Identity {
  readonly fingerprint: string;
}

/** What every server of the bench has, and who calls it. */
export interface Scene {
  readonly home: string;
  /** Files, PEM: the home's root and issuing CA. */
  readonly root: string;
  readonly issuer: string;
  /** What every server presents: signed by itself with P-256, so that the load has no chain to verify. */
  readonly service: Identity & { readonly files: { readonly cert: string; readonly key: string } };
  /** P-256, on record, chain included. */
  readonly client: Client;
}

/** Makes a home, and one client of it. */
export async function makeScene(surroundings: Surroundings): Promise<Scene> {
  const { home } = await makeHome(surroundings, "ec-p256", 0);
  const [client] = await makeClients(home, 1);
  if (!client) throw new Error("no client was made");
  const [root = "", issuer = ""] = ["root.crt", "issuer.crt"].map((name) => join(home, "certs", name));
  return { home, root, issuer, client, service: await makeService(surroundings) };
}

/** Certificates of the account `bench`, each with a key of its own; nobody has the home open. */
export async function makeClients(home: string, count: number): Promise<Client[]> {
  const config = resolveConfig(home, {}, {}, readConfigFile(home));
  const database = await openState(config);
  try {
    const issuers = await HomeIssuers.open(database, home, readPassword(home, undefined, {}));
    const parts = issuingParts(config, database, issuers, publicUrlOf(config), systemClock);
    const make = async (): Promise<Client> => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const spki = publicKey.export({ format: "der", type: "spki" });
      const csr = makeCsr("ec-p256", { privateKey, spki }).der;
      const wanted = { account: parseSlug("bench"), csr, profile: "client" };
      const { record, chain } = await signRequest(parts, "bench", wanted);
      const key = privateKey.export({ format: "pem", type: "pkcs8" });
      return { cert: chain, key, fingerprint: record.fingerprint };
    };
    const clients: Client[] = [];
    while (clients.length < count) {
      const atOnce = Math.min(64, count - clients.length); // they share commits
      clients.push(...(await Promise.all(Array.from({ length: atOnce }, make))));
    }
    return clients;
  } finally {
    await database.close();
  }
}

async function makeService({ folder, signal }: Surroundings): Promise<Scene["service"]> {
  const files = { cert: join(folder, "service.crt"), key: join(folder, "service.key") };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", files.key];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  await runOk("openssl", ["req", "-x509", ...key, ...names, "-days", "2", "-out", files.cert], { signal });
  const [cert, pem] = [files.cert, files.key].map((file) => readFileSync(file, "latin1"));
  return { cert: cert ?? "", key: pem ?? "", files };
}
