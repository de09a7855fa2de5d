import { existsSync } from "node:fs";
import { PUBLIC, readInput, writeFileAtomically } from "../../files/files.ts";
import type { Fingerprint } from "../../domain/identifiers.ts";

/**
 * Which certificate those who use the files were last told of: `CERT.told` holds its fingerprint. It is there before the
 * certificate is changed, so that a crash in between, or a telling that fails, is made up for.
 */
export class Announced {
  readonly #path: string;
  #told: Fingerprint | undefined;
  #isStored = false;

  /** @param certificate the file */
  constructor(certificate: string) {
    this.#path = `${certificate}.told`;
  }

  /** Whether this certificate is news. Of what is there at first nobody has to be told. Throws FILE_UNREADABLE. */
  isOwed(current: Fingerprint): boolean {
    this.#told ??= this.#stored() ?? current;
    if (!this.#isStored) this.#store(this.#told);
    return this.#told !== current;
  }

  /** Throws FILE_UNREADABLE: then they may be told again after a restart. */
  settle(current: Fingerprint): void {
    this.#told = current;
    this.#store(current);
  }

  #stored(): Fingerprint | undefined {
    if (!existsSync(this.#path)) return undefined;
    const text = readInput(this.#path).toString("latin1").trim();
    this.#isStored = true;
    return text as Fingerprint; // one that is garbled differs from every other: then they are told once too often
  }

  #store(fingerprint: Fingerprint): void {
    this.#isStored = false;
    writeFileAtomically(this.#path, `${fingerprint}\n`, PUBLIC);
    this.#isStored = true;
  }
}
