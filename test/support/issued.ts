import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseCidr } from "../../src/domain/address.ts";
import { parseDnsRule } from "../../src/domain/host-names.ts";
import { type KeyPair, type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { fingerprintOf } from "../../src/domain/identifiers.ts";
import type { Database, Issuer } from "../../src/domain/ports.ts";
import type { Profile } from "../../src/domain/profile.ts";
import type { Account, CertificateRecord } from "../../src/domain/records.ts";
import type { Instant } from "../../src/domain/time.ts";
import { loadProfiles } from "../../src/home/profiles.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { createAccount, noRights } from "../../src/services/accounts.ts";
import { Ledger } from "../../src/services/issue/ledger.ts";
import type { IssuingParts } from "../../src/services/issue/parts.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { codec } from "../../src/x509/codec.ts";
import { signingAlgorithm, toCryptoKeys, x509 } from "../../src/x509/library.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type TestIssuer, makeIssuer, testNow } from "./fixtures-issuer.ts";
import { freshSlug, recordIssuer, testClock } from "./issuing.ts";
import { projectRoot } from "./run.ts";

/** What the account's servers may be called, and what every CSR asks for; IPv6 as our reader writes it. */
export const hostNames = {
  dnsNames: ["db.example.internal", "a-1.pool.example.internal"],
  addresses: ["192.0.2.7", "2001:db8:0:0:0:0:0:7"],
} as const;

/** The profiles that are shipped, by name. */
export const shippedProfiles = loadProfiles(join(projectRoot, "ca", "profiles"));

export interface Issued {
  readonly issuer: Issuer;
  readonly profile: Profile;
  readonly record: CertificateRecord;
  /** Its PEM file. */
  readonly path: string;
}

export function nameOf({ issuer, profile, record }: Issued): string {
  return `${issuer.signer.keyType} signs ${record.keyType} as ${profile.name}`;
}

/** Issuing by the real services, on an SQLite file, to one account with one key of each type. */
export class Issuing {
  readonly #folder: string;
  readonly #database: Database;
  readonly #ledger: Ledger;
  readonly #account: Account;
  readonly #requests: ReadonlyMap<KeyType, Buffer>;
  #bundles = 0;

  private constructor(
    folder: string,
    database: Database,
    account: Account,
    requests: ReadonlyMap<KeyType, Buffer>,
  ) {
    this.#folder = folder;
    this.#database = database;
    this.#ledger = new Ledger(database, mutation.clock);
    this.#account = account;
    this.#requests = requests;
  }

  static async open(folder: string, types: readonly KeyType[] = keyTypes): Promise<Issuing> {
    const database = await openDatabase({ file: join(folder, "state.sqlite") });
    const account = await createAccount(database, mutation, {
      ...{ ...noRights, slug: freshSlug(), dnsNames: [parseDnsRule(".example.internal")] },
      serverIps: hostNames.addresses.map(parseCidr),
    });
    const requests = types.map(async (type) => [type, await requestNaming(await makeKeyPair(type))] as const);
    return new Issuing(folder, database, account, new Map(await Promise.all(requests)));
  }

  get account(): string {
    return this.#account.slug;
  }

  /** An issuing CA below a root, on record. */
  async authority(
    keyType: KeyType,
    root: TestIssuer,
    life?: number,
  ): Promise<{ readonly issuer: Issuer; readonly path: string }> {
    const { issuer } = await makeIssuer(keyType, { parent: root, ...(life === undefined ? {} : { life }) });
    await recordIssuer(this.#database, issuer, "issuing", freshSlug("issuer"));
    return { issuer, path: this.write(issuer.der) };
  }

  /** Has an issuer sign the key of a type. */
  async issue(
    issuer: Issuer,
    keyType: KeyType,
    profile: string,
    { now = testNow, notAfter }: { readonly now?: Instant; readonly notAfter?: Instant | undefined } = {},
  ): Promise<Issued> {
    const clock = testClock(now);
    const parts: IssuingParts = {
      ...{ database: this.#database, ledger: this.#ledger, codec, clock, randomBytes },
      issuers: { signing: () => issuer, certificate: () => issuer.der },
      profiles: () => shippedProfiles,
      trustDomain: "example.internal",
      publicUrl: "http://ca.example.internal:8080",
    };
    const csr = this.#requests.get(keyType) ?? Buffer.alloc(0);
    const wanted = { account: this.#account.slug, csr, profile, notAfter };
    const { record } = await signRequest(parts, mutation.actor, wanted);
    const found = shippedProfiles.get(profile);
    if (!found) throw new Error(`the profile ${profile} is not shipped`);
    return { issuer, profile: found, record, path: this.write(record.der) };
  }

  /** A certificate's PEM file. */
  write(der: Uint8Array): string {
    const path = join(this.#folder, `${fingerprintOf(der)}.crt`);
    writeFileSync(path, toPem("CERTIFICATE", der));
    return path;
  }

  /** One PEM file out of several. */
  bundle(paths: readonly string[]): string {
    const path = join(this.#folder, `${String(this.#bundles++)}.pem`);
    writeFileSync(path, paths.map((part) => readFileSync(part, "latin1")).join(""));
    return path;
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

const mutation = { clock: testClock(testNow), actor: "cli:tester" };

/** A CSR (PEM) that asks for those names. */
export async function requestNaming(pair: KeyPair): Promise<Buffer> {
  const names = [
    ...hostNames.dnsNames.map((value) => ({ type: "dns" as const, value })),
    ...hostNames.addresses.map((value) => ({ type: "ip" as const, value })),
  ];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: toCryptoKeys(pair, pair.keyType),
    signingAlgorithm: signingAlgorithm(pair.keyType),
    extensions: [new x509.SubjectAlternativeNameExtension(names)],
  });
  return Buffer.from(request.toString("pem"));
}
