import { type KeyObject, X509Certificate, createPrivateKey } from "node:crypto";
import { isIP } from "node:net";
import { type Fingerprint, fingerprintOf } from "../domain/identifiers.ts";
import type { Issuer, Logger } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import { HOUR } from "../domain/time.ts";
import { makeKeyPair } from "../keys/key-pair.ts";
import type { IssuingParts } from "../services/issue/parts.ts";
import { issueListenerCertificate } from "../services/issue/listener-certificate.ts";
import { encryptPrivateKey } from "../x509/private-key.ts";
import { PUBLIC, SECRET, readInput, writeFileAtomically } from "../files/files.ts";
import { homePaths } from "./paths.ts";

/** PEM: the chain, and the key, opened. */
export interface TlsCertificate {
  readonly cert: string;
  readonly key: string;
}

interface Parts {
  readonly home: string;
  readonly password: string;
  readonly issuing: IssuingParts;
  /** Who signs it. */
  readonly issuer: () => Issuer;
  /** DNS names and addresses that clients reach the listeners by. */
  readonly names: readonly string[];
}

interface Watcher {
  readonly logger: Logger;
  readonly onRenewed: (certificate: TlsCertificate) => void;
}

/**
 * The TLS certificate of our own listeners: made when there is none, or when it is not good any more, and renewed at two
 * thirds of its life.
 */
export class ListenerCertificate {
  readonly #parts: Parts;
  #current: TlsCertificate;
  #watcher: Watcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();

  private constructor(parts: Parts, current: TlsCertificate) {
    this.#parts = parts;
    this.#current = current;
  }

  static async open(parts: Parts): Promise<ListenerCertificate> {
    const stored = readStored(parts);
    const isGood = stored && !isDue(stored, parts) && (await isActive(stored, parts));
    return new ListenerCertificate(parts, isGood ? stored : await renew(parts));
  }

  get current(): TlsCertificate {
    return this.#current;
  }

  /** Renews in time, and tells; listeners swap it without dropping a connection. */
  watch(logger: Logger, onRenewed: (certificate: TlsCertificate) => void): void {
    this.#watcher = { logger, onRenewed };
    this.#check(); // of what has changed since it was opened, nobody was told
    this.#timer = setInterval(() => {
      this.#check();
    }, HOUR).unref();
  }

  /** One that was revoked is not presented any longer than it has to be. */
  onChanges(changes: readonly Change[]): void {
    const own: string = idOf(this.#current);
    if (changes.some(({ subject }) => subject === own)) this.#check();
  }

  async close(): Promise<void> {
    this.#watcher = undefined;
    clearInterval(this.#timer);
    await this.#work;
  }

  #check(): void {
    const watcher = this.#watcher;
    if (!watcher) return;
    this.#work = this.#work
      .then(() => this.#renewIfNeeded(watcher))
      .catch((error: unknown) => {
        const message = "the listeners' certificate could not be renewed; trying again in an hour";
        watcher.logger.error({ err: error }, message);
      });
  }

  async #renewIfNeeded({ logger, onRenewed }: Watcher): Promise<void> {
    const before = this.#current;
    const isStillActive = await isActive(before, this.#parts);
    if (isStillActive && !isDue(before, this.#parts)) return;
    this.#current = await renew(this.#parts);
    onRenewed(this.#current);
    if (isStillActive) logger.info({}, "the listeners' certificate was renewed");
    else
      logger.warn(
        { fingerprint: idOf(before) },
        "the listeners' certificate was revoked or suspended: they have a new one",
      );
  }
}

function readStored({ home, password }: Parts): TlsCertificate | undefined {
  const paths = homePaths(home);
  try {
    const cert = readInput(paths.serverCert).toString("latin1");
    const key = createPrivateKey({ key: readInput(paths.serverKey), passphrase: password });
    return new X509Certificate(cert).checkPrivateKey(key) ? { cert, key: opened(key) } : undefined;
  } catch {
    return undefined; // missing, or from a crash between the two files: another one is made
  }
}

/** An admin may have revoked it, as anything on record. */
async function isActive(certificate: TlsCertificate, { issuing }: Parts): Promise<boolean> {
  return (await issuing.database.certificates.byFingerprint(idOf(certificate)))?.status === "active";
}

function idOf({ cert }: TlsCertificate): Fingerprint {
  return fingerprintOf(new X509Certificate(cert).raw);
}

function isDue({ cert }: TlsCertificate, { issuing, issuer: signer, names }: Parts): boolean {
  const leaf = new X509Certificate(cert);
  const issuer = new X509Certificate(signer().der);
  const [from, to] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
  const named = names.every(
    (name) => (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) !== undefined,
  );
  return !named || !leaf.checkIssued(issuer) || issuing.clock.now() >= from + ((to - from) * 2) / 3;
}

async function renew({ home, password, issuing, issuer, names }: Parts): Promise<TlsCertificate> {
  const { privateKey, publicKey, keyType } = await makeKeyPair("ec-p256"); // every TLS client knows it
  const spki = publicKey.export({ format: "der", type: "spki" });
  const { chain: cert } = await issueListenerCertificate(issuing, issuer(), names, { spki, keyType });
  const paths = homePaths(home);
  writeFileAtomically(paths.serverKey, await encryptPrivateKey(privateKey, password), SECRET);
  writeFileAtomically(paths.serverCert, cert, PUBLIC);
  return { cert, key: opened(privateKey) };
}

function opened(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" });
}
