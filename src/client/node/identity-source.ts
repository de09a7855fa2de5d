import { createPrivateKey } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { Refusal } from "../../domain/errors.ts";
import { keyTypeOf } from "../../domain/key-policy.ts";
import type { Clock } from "../../domain/ports.ts";
import { readInput } from "../../files/files.ts";
import { makeKeyPair } from "../../keys/key-pair.ts";
import { makeRequest } from "../../x509/request-writer.ts";
import { type Identity, MismatchedPair, openedKey, readIdentity } from "./identity.ts";
import {
  type ClientFiles,
  certificatesIn,
  requireCertificateOf,
  requireEnrolled,
  successorFrom,
} from "../files/certificate-files.ts";

/** Where an identity is found, and renewed. */
export interface IdentitySource {
  /** What was found when it was last looked at. */
  readonly current: Identity;
  /** Whether another may be there; costs next to nothing. */
  hasChanged(): boolean;
  /** Looks again. Throws as `readIdentity`. */
  refresh(): Identity;
  /** Renews it, due or not, unless another is there than `from`. Throws Refusal with the CA's code, SERVER_UNREACHABLE… */
  renew(from: Identity, caUrl: string): Promise<Identity>;
}

/** A credential that is renewed with two CSRs counts as copied: whoever has the same one in this process shares its source. */
const inMemory = new Map<string, MemorySource>();

/** An identity that is in this process's memory alone. Throws CONFIG_INVALID when it is there already, with another root. */
export function memorySource(identity: Identity, clock: Clock): IdentitySource {
  const known = inMemory.get(identity.fingerprint);
  if (known && known.current.ca.trim() !== identity.ca.trim()) {
    throw new Refusal(
      "CONFIG_INVALID",
      "credentials: ca: not the root that the same certificate has elsewhere here",
    );
  }
  if (known) return known;
  for (const [fingerprint, { current }] of inMemory)
    if (current.notAfter < clock.now()) inMemory.delete(fingerprint);
  return new MemorySource(identity);
}

class MemorySource implements IdentitySource {
  #current: Identity;
  /** Kept until the answer is there: when one gets lost, the same CSR is sent again. */
  #pending: Promise<{ readonly key: string; readonly csr: string }> | undefined;
  #underWay: Promise<Identity> | undefined;

  constructor(identity: Identity) {
    this.#current = identity;
    inMemory.set(identity.fingerprint, this);
  }

  get current(): Identity {
    return this.#current;
  }

  hasChanged(): boolean {
    return false;
  }

  refresh(): Identity {
    return this.#current;
  }

  renew(from: Identity, caUrl: string): Promise<Identity> {
    if (this.#current !== from) return Promise.resolve(this.#current);
    this.#underWay ??= this.#renew(caUrl).finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #renew(caUrl: string): Promise<Identity> {
    const before = this.#current;
    const { ca, pem: cert } = before;
    const { renew } = await import("../renewal/renew.ts");
    this.#pending ??= makeNext(before);
    const { key, csr } = await this.#pending;
    const { chain } = await renew(caUrl, { key: openedKey(before), cert, ca }, csr);
    const { leaf, pem } = successorFrom(chain, before, certificatesIn(ca));
    requireCertificateOf(createPrivateKey(key), leaf);
    this.#current = readIdentity({ key, cert: pem, ca });
    this.#pending = undefined;
    inMemory.set(this.#current.fingerprint, this);
    return this.#current;
  }
}

/** A new key, of the type of the one before, and its CSR. */
async function makeNext({ privateKey }: Identity): Promise<{ readonly key: string; readonly csr: string }> {
  const pair = await makeKeyPair(keyTypeOf(privateKey));
  const csr = await makeRequest(pair, pair.keyType);
  return { key: pair.privateKey.export({ format: "pem", type: "pkcs8" }), csr };
}

/** Credentials in files, which other processes may renew as well. */
export class FileSource implements IdentitySource {
  readonly #files: ClientFiles;
  readonly #passphrase: string | undefined;
  readonly #clock: Clock;
  #current: Identity;
  #state: string;

  /** Throws as `readIdentity`. */
  constructor(files: ClientFiles, passphrase: string | undefined, clock: Clock) {
    this.#files = files;
    this.#passphrase = passphrase;
    this.#clock = clock;
    this.#state = stateOf(files);
    this.#current = readIdentityFiles(files, passphrase);
  }

  get current(): Identity {
    return this.#current;
  }

  hasChanged(): boolean {
    return stateOf(this.#files) !== this.#state;
  }

  refresh(): Identity {
    const state = stateOf(this.#files);
    if (state === this.#state) return this.#current;
    this.#state = state; // what cannot be read is looked at again when it has changed again
    const found = readIdentityFiles(this.#files, this.#passphrase);
    if (found.fingerprint !== this.#current.fingerprint) this.#current = found;
    return this.#current;
  }

  async renew({ fingerprint: overdue }: Identity, caUrl: string): Promise<Identity> {
    const { renewFiles } = await import("../renewal/renew-files.ts");
    const [files, passphrase, clock] = [this.#files, this.#passphrase, this.#clock];
    await renewFiles({ caUrl, files, passphrase, overdue, clock });
    return this.refresh();
  }
}

const TRIES = 5;

/**
 * Reads an identity from its files. Whoever renews puts the key in its place first and then its certificate, which lies at
 * `CERT.next` until then: in between, and after a crash there, that is the key's.
 */
export function readIdentityFiles(files: ClientFiles, passphrase: string | undefined): Identity {
  const { key, cert, ca } = files;
  requireEnrolled(cert);
  const read = (certificate: string): Identity => {
    const [keyPem = "", certPem = "", caPem = ""] = [key, certificate, ca].map((path) =>
      readInput(path).toString("latin1"),
    );
    return readIdentity({ key: keyPem, cert: certPem, ca: caPem, passphrase }, files);
  };
  for (let tries = 1; ; tries++) {
    for (const certificate of [cert, nextOf(cert)]) {
      try {
        if (certificate !== undefined) return read(certificate);
      } catch (error) {
        if (!(error instanceof MismatchedPair) || tries === TRIES) throw error;
      }
    }
  }
}

/** It is beside the file itself, where the name given is a link. */
function nextOf(cert: string): string | undefined {
  const next = `${existsSync(cert) ? realpathSync(cert) : cert}.next`;
  return existsSync(next) ? next : undefined;
}

/** Differs when somebody has put another key or certificate there. */
function stateOf({ key, cert }: ClientFiles): string {
  return [key, cert]
    .map((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found ? `${String(found.ino)} ${String(found.size)} ${String(found.mtimeMs)}` : "none";
    })
    .join(" ");
}
