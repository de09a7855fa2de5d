import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { runOk } from "../../test/support/run.ts";
import { type Surroundings, freePort, start, untilListening } from "../processes.ts";
import type { Target } from "./measure.ts";

/**
 * Lends a `step-ca` with its default database and a JWK provisioner, whose one-time tokens are made here.
 *
 * Not run yet: written from step-ca's documents and sources. Should it fail, the report says so and goes on.
 */
export async function withStepCa<T>(
  { folder, pinning, signal }: Surroundings,
  requests: number,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const own = await mkdtemp(join(folder, "step-"));
  const env = { ...process.env, STEPPATH: own };
  const [password, config] = [join(own, "password"), join(own, "config", "ca.json")];
  const port = await freePort();
  writeFileSync(password, randomUUID(), { mode: 0o600 });
  const names = ["--name", "bench", "--dns", "localhost", "--address", `127.0.0.1:${String(port)}`];
  const secrets = ["--provisioner", "bench", "--password-file", password];
  await runOk("step", ["ca", "init", "--deployment-type", "standalone", ...names, ...secrets], {
    env,
    signal,
  });
  const oneTimeToken = replaceProvisioner(config, port);

  const command = [...pinning.server, "step-ca", config, "--password-file", password];
  const server = start(command, signal, { env });
  try {
    await untilListening(server, port);
    const url = `https://127.0.0.1:${String(port)}`;
    const ca = readFileSync(join(own, "certs", "root_ca.crt"), "latin1");
    const tokens = Array.from({ length: requests }, oneTimeToken);
    return await use({ pid: server.pid, url, ca, dialect: "step-ca", tokens });
  } finally {
    await server.stop();
  }
}

/**
 * Puts a provisioner of our own in place of init's, whose key would have to be decrypted first.
 *
 * @returns what makes a token: `step ca token` takes a process for each.
 */
function replaceProvisioner(file: string, port: number): () => string {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const config = JSON.parse(readFileSync(file, "utf8")) as { authority: { provisioners: object[] } };
  const key = { ...publicKey.export({ format: "jwk" }), kid: "bench", alg: "ES256", use: "sig" };
  config.authority.provisioners = [{ type: "JWK", name: "bench", key }];
  writeFileSync(file, JSON.stringify(config));

  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = encode({ alg: "ES256", kid: "bench", typ: "JWT" });
  return () => {
    const now = Math.floor(Date.now() / 1000);
    // `iat` is left out: step-ca refuses one from before its start.
    const claims = { iss: "bench", sub: "bench", sans: ["bench"], nbf: now - 60, exp: now + 3600 };
    const aud = `https://localhost:${String(port)}/1.0/sign`;
    const signed = `${header}.${encode({ ...claims, aud, jti: randomUUID() })}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  };
}
