import type { KeyObject } from "node:crypto";
import { existsSync, rmSync, statSync } from "node:fs";
import { Refusal } from "../../domain/errors.ts";
import type { Fingerprint } from "../../domain/identifiers.ts";
import { keyTypeOf } from "../../domain/key-policy.ts";
import {
  PUBLIC,
  SECRET,
  createFileAtomically,
  moveDurably,
  readInput,
  readableAs,
  removeTemporaries,
  writeFileAtomically,
} from "../../files/files.ts";
import { makeKeyPair } from "../../keys/key-pair.ts";
import { type ClientCertificate, type ClientFiles, resolveFiles } from "../files/certificate-files.ts";
import { isRequestOf, keyPem, openKey, openOwnKey, requestOf } from "../files/key-files.ts";

const FOREIGN = "Find out who has put it there, and enrol again.";

/** A renewal's CSR and the key that it is of. */
export interface PendingCsr {
  readonly csr: string;
  readonly key: KeyObject;
}

/**
 * Takes away what is left of an earlier credential's renewal, once another certificate was enrolled in its place: it names
 * the earlier one. The CSR goes last.
 */
export function clearRenewal(files: ClientFiles): void {
  const { key, cert } = resolveFiles(files);
  for (const path of [`${key}.next`, `${cert}.next`, `${cert}.told`, `${key}.next.csr`])
    rmSync(path, { force: true });
}

/** Where an enrolment's CSR is kept until its certificate is in place, and what is left of a renewal is away. */
export function enrolmentCsr({ key }: ClientFiles): string {
  return `${key}.csr`;
}

/** Whether the current key's enrolment was cut short when its certificate was in place, before `clearRenewal`. */
function hasPendingEnrolment(files: ClientFiles, currentKey: KeyObject): boolean {
  const path = enrolmentCsr(files);
  return existsSync(path) && isRequestOf(readInput(path).toString("latin1"), currentKey);
}

function enrolInstead({ key, cert }: ClientFiles): string {
  return `The CA may have been sent one already, so none is made anew: move ${key} and ${cert} away, and enrol again.`;
}

/**
 * What lies beside a credential's files while it is renewed: `KEY.next`, the key to be; `KEY.next.csr`, its CSR, below a line
 * that names the certificate which it renews; `CERT.next`, the answer.
 *
 * The CA takes a second CSR for one certificate for a copied key at work. So a CSR that names the certificate we have is
 * the only one that may be sent for it, whatever became of the attempt; it goes last. A key without a CSR was never sent, and
 * may be anybody's: it is made anew.
 */
export class PendingRenewal {
  readonly #files: ClientFiles;
  readonly #passphrase: string | undefined;
  readonly #key: string;
  readonly #csr: string;
  readonly #cert: string;

  /** @param passphrase of the keys, when they are encrypted */
  constructor(files: ClientFiles, passphrase: string | undefined) {
    this.#files = files;
    this.#passphrase = passphrase;
    this.#key = `${files.key}.next`;
    this.#csr = `${files.key}.next.csr`;
    this.#cert = `${files.cert}.next`;
  }

  /** Takes away what is of another certificate than the current one, and what a killed process was writing. */
  tidy(current: Fingerprint, currentKey: KeyObject): void {
    for (const path of [this.#key, this.#cert]) removeTemporaries(path);
    const stored = this.#stored(currentKey);
    if (!stored || stored.renews === current) return;
    for (const path of [this.#key, this.#cert, this.#csr]) rmSync(path, { force: true });
  }

  /** The CSR that may have been sent for this certificate, if there is one. Throws FILE_UNREADABLE, PASSWORD_WRONG. */
  request(currentKey: KeyObject): PendingCsr | undefined {
    const csr = this.#stored()?.csr;
    if (csr === undefined) return undefined;
    if (isRequestOf(csr, currentKey)) return { csr, key: currentKey };
    if (!existsSync(this.#key)) {
      throw new Refusal(
        "FILE_UNREADABLE",
        `${this.#key}, the key of ${this.#csr}, has gone. ${enrolInstead(this.#files)}`,
      );
    }
    const key = this.#openNext();
    if (isRequestOf(csr, key)) return { csr, key };
    throw new Refusal(
      "FILE_UNREADABLE",
      `${this.#csr} is not a CSR of ${this.#key}. ${enrolInstead(this.#files)}`,
    );
  }

  /** Makes and stores what is to be sent: key first, then CSR. Of several who try, all get the same. */
  async prepare(
    current: ClientCertificate,
    currentKey: KeyObject,
    options: { readonly sameKey: boolean; readonly onKey: () => void },
  ): Promise<PendingCsr> {
    const key = options.sameKey ? currentKey : await this.#nextKey(currentKey);
    options.onKey();
    const csr = await requestOf(key);
    createFileAtomically(this.#csr, `Renews: ${current.fingerprint}\n${csr}`, SECRET);
    const pending = this.request(currentKey);
    if (!pending) throw new Refusal("FILE_UNREADABLE", `${this.#csr} has gone.`);
    return pending;
  }

  /** Stores the answer, durably. */
  store(chain: string): void {
    writeFileAtomically(this.#cert, chain, PUBLIC);
  }

  /** The stored answer, PEM, if there is one. */
  answer(): string | undefined {
    return existsSync(this.#cert) ? readInput(this.#cert).toString("latin1") : undefined;
  }

  /**
   * Puts key and certificate in their places, or the certificate alone where that was all that was left to do.
   *
   * @returns whether the answer was of a key that is here; if not, nothing was changed.
   */
  install(successor: ClientCertificate, onKey: () => void): boolean {
    readableAs(this.#cert, this.#files.cert, PUBLIC);
    if (opens(() => this.#openNext(), successor)) {
      readableAs(this.#key, this.#files.key, SECRET);
      moveDurably(this.#key, this.#files.key);
    } else if (!opens(() => openKey(this.#files.key, this.#passphrase), successor)) return false;
    onKey();
    moveDurably(this.#cert, this.#files.cert);
    return true;
  }

  dropAnswer(): void {
    rmSync(this.#cert, { force: true });
  }

  dropRequest(): void {
    rmSync(this.#csr, { force: true });
  }

  /** @param enrolledKey the current one, where a certificate that was just enrolled ends what an earlier one had begun */
  #stored(enrolledKey?: KeyObject): { readonly renews: string; readonly csr: string } | undefined {
    if (!existsSync(this.#csr)) return undefined;
    const [, renews, csr] =
      /^Renews: ([0-9a-f]{64})\n([^]*)$/.exec(readInput(this.#csr).toString("latin1")) ?? [];
    if (renews !== undefined && csr !== undefined) return { renews, csr };
    if (enrolledKey && hasPendingEnrolment(this.#files, enrolledKey)) {
      clearRenewal(this.#files);
      rmSync(enrolmentCsr(this.#files), { force: true });
      return undefined;
    }
    throw new Refusal("FILE_UNREADABLE", `${this.#csr} is garbled. ${enrolInstead(this.#files)}`);
  }

  async #nextKey(currentKey: KeyObject): Promise<KeyObject> {
    const { privateKey } = await makeKeyPair(keyTypeOf(currentKey));
    writeFileAtomically(this.#key, await keyPem(privateKey, this.#passphrase), SECRET);
    return privateKey;
  }

  /** Throws FILE_UNREADABLE, PASSWORD_WRONG; what whoever may only write to the folder has put there is not taken. */
  #openNext(): KeyObject {
    return openOwnKey(this.#key, this.#passphrase, FOREIGN, statSync(this.#files.key).uid);
  }
}

function opens(open: () => KeyObject, { leaf }: ClientCertificate): boolean {
  try {
    return leaf.checkPrivateKey(open());
  } catch {
    return false;
  }
}
