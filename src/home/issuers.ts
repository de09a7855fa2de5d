import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { Refusal } from "../domain/errors.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Slug } from "../domain/names.ts";
import type { Issuer, Logger, Stores } from "../domain/ports.ts";
import type { IssuerRecord } from "../domain/records.ts";
import { PUBLIC, readInput, writeFileAtomically } from "../files/files.ts";
import { memorySigner } from "../keys/memory-signer.ts";
import type { Issuers } from "../services/issue/parts.ts";
import { issuerFrom } from "../x509/codec.ts";
import { toPem } from "../x509/pem.ts";
import { decryptPrivateKey } from "../x509/private-key.ts";
import { DEFAULT_ISSUER, issuerPaths } from "./paths.ts";

/** The issuing CAs of a home: on record in the database, their keys in files. */
export class HomeIssuers implements Issuers {
  readonly #home: string;
  readonly #password: string;
  #records: readonly IssuerRecord[] = [];
  readonly #opened = new Map<IssuerId, Issuer>();

  private constructor(home: string, password: string) {
    this.#home = home;
    this.#password = password;
  }

  /**
   * Opens the key of every issuer on record; but for one whose key is in another home that shares the database.
   *
   * @param only leaves all others closed: a key takes a tenth of a second to open
   * @throws Refusal PASSWORD_WRONG, FILE_UNREADABLE, CONFIG_INVALID.
   */
  static async open(stores: Stores, home: string, password: string, only?: Slug): Promise<HomeIssuers> {
    const issuers = new HomeIssuers(home, password);
    issuers.#records = await stores.issuers.list();
    for (const record of issuers.#issuing) {
      const isElsewhere = record.name !== DEFAULT_ISSUER && !existsSync(issuerPaths(home, record.name).key);
      if (only === undefined ? !isElsewhere : record.name === only) issuers.#open(record);
    }
    return issuers;
  }

  /** Everything on record, the root too. */
  get records(): readonly IssuerRecord[] {
    return this.#records;
  }

  /** Those whose keys are open, the default first, retired ones too: they go on signing CRLs. */
  get opened(): readonly Issuer[] {
    return this.#byPreference.flatMap(({ id }) => this.#opened.get(id) ?? []);
  }

  signing(name: Slug): Issuer | undefined {
    const record = this.#issuing.find((issuer) => issuer.name === name && issuer.status === "active");
    return record && this.#opened.get(record.id);
  }

  certificate(id: IssuerId): Uint8Array | undefined {
    return this.#records.find((issuer) => issuer.id === id)?.der;
  }

  /**
   * Whoever signs the listeners' certificate: the default issuer, or the oldest that is active when it is retired. One
   * with a classical key goes before one with ML-DSA, whose signature older clients cannot read.
   */
  forListeners(): Issuer {
    const active = this.#byPreference.flatMap(({ name }) => this.signing(name) ?? []);
    const issuer = active.find(({ signer }) => !signer.keyType.startsWith("ml-dsa")) ?? active[0];
    if (!issuer) throw new Refusal("CONFIG_INVALID", "No issuing CA is active.");
    return issuer;
  }

  /** Takes up what other processes have changed; an issuer whose key can't be opened here is told and left out. */
  async refresh(stores: Stores, logger: Logger): Promise<void> {
    this.#records = await stores.issuers.list();
    for (const record of this.#issuing) {
      if (this.#opened.has(record.id)) continue;
      try {
        this.#open(record);
      } catch (error) {
        logger.error({ err: error, issuer: record.name }, "an issuing CA's key cannot be opened here");
      }
    }
  }

  get #byPreference(): readonly IssuerRecord[] {
    return [...this.#issuing].sort((one, other) => preference(one) - preference(other));
  }

  get #issuing(): readonly IssuerRecord[] {
    return this.#records.filter(({ role }) => role === "issuing");
  }

  #open({ id, name, der }: IssuerRecord): void {
    const { cert } = issuerPaths(this.#home, name);
    if (!existsSync(cert)) installCertificate(this.#home, name, der); // a crash came between record and file
    this.#opened.set(id, openIssuer(this.#home, this.#password, name, der));
  }
}

function preference({ name, notBefore }: IssuerRecord): number {
  return name === DEFAULT_ISSUER ? 0 : notBefore;
}

/** Writes an issuing CA's certificate (DER) to where it is looked for. */
export function installCertificate(home: string, name: string, der: Uint8Array): void {
  const { cert } = issuerPaths(home, name);
  mkdirSync(dirname(cert), { recursive: true });
  writeFileAtomically(cert, toPem("CERTIFICATE", der), PUBLIC);
}

/** Opens an issuing CA's key. Throws PASSWORD_WRONG, FILE_UNREADABLE, CONFIG_INVALID. */
export function openIssuer(home: string, password: string, name: string, der: Uint8Array): Issuer {
  const { cert, key: file } = issuerPaths(home, name);
  const key = decryptPrivateKey(readInput(file).toString("latin1"), password);
  try {
    return issuerFrom(der, memorySigner(key));
  } catch (error) {
    throw new Refusal("CONFIG_INVALID", `${cert} does not go with ${file}.`, String(error));
  }
}
