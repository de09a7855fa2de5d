import { X509Certificate, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { SERIAL_RANDOM_OCTETS, fingerprintOf, serialFrom, spkiHashOf } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { openState } from "../../src/home/open.ts";
import { issuerIdOf } from "../../src/x509/codec.ts";
import { runOk } from "../../test/support/run.ts";
import { makeHome, serving } from "../issue/countersign.ts";
import { type Surroundings, firstLine, freePort, start } from "../processes.ts";
import type { OcspJob } from "./load.ts";

export interface OcspTarget extends Pick<OcspJob, "url" | "issuer" | "serials"> {
  readonly pid: number;
}

const DAY = 24 * 60 * 60 * 1000;

/** Lends a real `serve` with that many certificates on record. */
export async function withResponder<T>(
  surroundings: Surroundings,
  count: number,
  use: (target: OcspTarget) => Promise<T>,
): Promise<T> {
  const { home } = await makeHome(surroundings, "ec-p256", 0);
  const issuer = new X509Certificate(readFileSync(join(home, "certs", "issuer.crt"))).raw;
  const serials = await recordCertificates(home, issuer, count);
  return serving(surroundings, home, ({ public: url }, pid) =>
    use({ pid, url, issuer: issuer.toString("base64"), serials }),
  );
}

/** Nobody asks for the certificates themselves, so what stands in their place is short. */
async function recordCertificates(home: string, issuer: Buffer, count: number): Promise<string[]> {
  const database = await openState(resolveConfig(home, {}, {}, readConfigFile(home)));
  try {
    const now = Date.now();
    const issuerId = issuerIdOf(issuer);
    const profile = parseSlug("client");
    return await database.transaction(async ({ accounts, keys, certificates }) => {
      const account = (await accounts.list())[0];
      const serials: string[] = [];
      for (let i = 0; i < count; i++) {
        const serial = serialFrom(now, randomBytes(SERIAL_RANDOM_OCTETS));
        const der = randomBytes(64);
        const spkiHash = spkiHashOf(der);
        const times = { notBefore: now, notAfter: now + DAY };
        const common = { issuerId, serial, accountId: account?.id, profile, spkiHash, ...times };
        const unsaid = { invalidityAt: undefined, statusBy: undefined, note: undefined };
        const nothing = {
          scopes: undefined,
          limits: undefined,
          statusAt: undefined,
          reason: undefined,
          ...unsaid,
        };
        const active = { ...nothing, status: "active", issuedAt: now } as const;
        await keys.bind([{ spkiHash, keyType: "ec-p256", accountId: account?.id, seenAt: now }]);
        await certificates.intend([{ ...common, createdAt: now }]);
        await certificates.insert([{ ...common, ...active, fingerprint: fingerprintOf(der), der }]);
        serials.push(serial);
      }
      return serials;
    });
  } finally {
    await database.close();
  }
}

/** Lends `openssl ocsp -port` with a P-256 CA, a delegate, and an index of that many certificates. */
export async function withOpenssl<T>(
  { folder, signal, pinning }: Surroundings,
  count: number,
  use: (target: OcspTarget) => Promise<T>,
): Promise<T> {
  const at = (name: string): string => join(folder, `openssl-${name}`);
  const openssl = (...args: string[]): Promise<string> => runOk("openssl", args, { signal });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl("req", "-x509", ...newKey, "-subj", "/CN=ca", "-keyout", at("ca.key"), "-out", at("ca.crt"));
  await openssl("req", ...newKey, "-subj", "/CN=ocsp", "-keyout", at("ocsp.key"), "-out", at("ocsp.csr"));
  writeFileSync(at("ext"), "extendedKeyUsage=OCSPSigning\nnoCheck=ignored\n");
  const ca = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-extfile", at("ext")];
  await openssl("x509", "-req", "-in", at("ocsp.csr"), ...ca, "-out", at("ocsp.crt"));
  const serials = Array.from({ length: count }, () => `1${randomBytes(15).toString("hex")}0`.slice(0, 32));
  const line = (serial: string): string =>
    `V\t991231235959Z\t\t${serial.toUpperCase()}\tunknown\t/CN=${serial}\n`;
  writeFileSync(at("index.txt"), serials.map(line).join(""));
  const port = await freePort();
  const signer = ["-rsigner", at("ocsp.crt"), "-rkey", at("ocsp.key"), "-CA", at("ca.crt")];
  const command = [
    "openssl",
    "ocsp",
    "-port",
    String(port),
    "-index",
    at("index.txt"),
    ...signer,
    "-nmin",
    "60",
    "-resp_key_id",
  ];
  const server = start([...pinning.server, ...command], signal);
  try {
    await firstLine(server); // a connection without a request, to find out, would have it spin for ever
    const issuer = new X509Certificate(readFileSync(at("ca.crt"))).raw.toString("base64");
    return await use({ pid: server.pid, url: `http://127.0.0.1:${String(port)}`, issuer, serials });
  } finally {
    await server.stop();
  }
}
