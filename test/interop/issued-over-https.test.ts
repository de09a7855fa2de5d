import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { type TestContext, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { KeyType } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { requestCertificate } from "../support/client.ts";
import { hostNames, requestNaming } from "../support/issued.ts";
import { opensslVerify } from "../support/judges.ts";
import { requireOpensslPq } from "../support/openssl-pq.ts";
import { run, runOk } from "../support/run.ts";
import { type TestServer, sharedServer } from "../support/server.ts";

interface Credential {
  readonly key: string;
  /** The leaf and its issuer: a PEM file, and what is in it. */
  readonly file: string;
  readonly chain: string;
  readonly serial: string;
  readonly fingerprint: string;
}

async function enrol(server: TestServer, keyType: KeyType, profile: string): Promise<Credential> {
  const pair = await makeKeyPair(keyType);
  const csr = (await requestNaming(pair)).toString("latin1");
  const { token } = await server.admin("token", "create", "db", "--profile", profile);
  const { status, text, json } = await requestCertificate(server, String(token), { csr });
  expect(status, text).toBe(201);
  const credential = json as Record<"chain" | "serial" | "fingerprint", string>;
  const file = server.workspace.file(`${credential.fingerprint}.crt`);
  writeFileSync(file, credential.chain);
  return { ...credential, file, key: pair.privateKey.export({ format: "pem", type: "pkcs8" }) };
}

const caTypes: readonly KeyType[] = ["rsa-2048", "ml-dsa-65"];

describe.each(caTypes)("a CA whose keys are of type %s, over HTTPS", (caType) => {
  const server = sharedServer({ init: ["--key-type", caType, "--trust-domain", "example.internal"] });
  beforeAll(async () => {
    const rights = ["--dns", ".example.internal", "--server-ip", hostNames.addresses.join()];
    await server.admin("account", "create", "db", ...rights);
  });

  const programFor = (context: TestContext): string =>
    caType.startsWith("ml-dsa") ? requireOpensslPq(context) : "openssl";

  it.for<readonly [KeyType, string, "sslclient" | "sslserver"]>([
    ["ed25519", "device", "sslclient"],
    ["rsa-2048", "server", "sslserver"],
  ])("gives %s, as a %s, what openssl verify takes", async ([keyType, profile, purpose], context) => {
    const program = programFor(context);
    const { file, serial, fingerprint } = await enrol(server, keyType, profile);
    const trust = { roots: server.root, issuers: file };
    expect(await opensslVerify(program, [file], trust, purpose)).toEqual(new Map([[file, "OK"]]));
    const shown = await runOk(program, [
      ...["x509", "-noout", "-serial", "-fingerprint", "-sha256", "-in", file],
    ]);
    const [, number, print] = /^serial=(\w+)\nsha256 Fingerprint=([\w:]+)\n$/.exec(shown) ?? [];
    expect(number?.toLowerCase().replace(/^0+/, "")).toBe(serial);
    expect(print?.toLowerCase().replaceAll(":", "")).toBe(fingerprint);
  });

  it("gives a server what openssl s_client takes under its names, and no others", async (context) => {
    const program = programFor(context);
    const { key, chain } = await enrol(server, "ec-p256", "server");
    const listening = await serve(key, chain);
    const { dnsNames, addresses } = hostNames;
    const names = [...dnsNames, "b.example.internal", "db"].map((name) => ["-verify_hostname", name]);
    const ips = [...addresses, "192.0.2.8"].map((address) => ["-verify_ip", address]);
    const taken = [];
    for (const expected of [...names, ...ips]) {
      const args = ["-connect", listening, "-CAfile", server.root, "-verify_return_error", ...expected];
      const { code, stdout } = await run(program, ["s_client", ...args]);
      expect(stdout).toContain("CONNECTED");
      if (code === 0) taken.push(expected[1]);
    }
    expect(taken).toEqual([...dnsNames, ...addresses]);
  });
});

/** A TLS server of somebody's; returns its host and port. */
async function serve(key: string, cert: string): Promise<string> {
  const listener = createServer({ key, cert });
  onTestFinished(() => void listener.close());
  await once(listener.listen(0, "127.0.0.1"), "listening");
  return `127.0.0.1:${String((listener.address() as AddressInfo).port)}`;
}
