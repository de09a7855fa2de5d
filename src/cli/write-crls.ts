import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Stores } from "../domain/ports.ts";
import { PUBLIC, isFileOf, writeFileAtomically } from "../files/files.ts";
import { pemPieces } from "../x509/pem.ts";

export interface WrittenCrls {
  /** Paths of all files. */
  readonly files: readonly string[];
  /** Whether any of them is other than it was. */
  readonly changed: boolean;
}

/** Is there from a change on until whoever reads the files was told: also when that fails, or this process is killed. */
const UNTOLD = ".changed";

/**
 * Writes the latest CRL of every issuer to a directory, with its delta, and the full ones together into `all.pem`:
 * software that checks the whole chain needs the root's too. `all.pem` is last, so that who sees it change finds the rest.
 */
export async function writeCrls(stores: Stores, directory: string): Promise<WrittenCrls> {
  const files: string[] = [];
  let changed = false;
  const write = (name: string, contents: Uint8Array): void => {
    const path = join(directory, name);
    files.push(path);
    if (isFileOf(path, contents)) return; // anything else there is replaced, not written through
    if (!changed) writeFileAtomically(join(directory, UNTOLD), Buffer.alloc(0), PUBLIC);
    writeFileAtomically(path, contents, PUBLIC);
    changed = true;
  };
  const all: Buffer[] = [];
  for (const { id } of await stores.issuers.list()) {
    const crl = await stores.crls.latest(id);
    if (!crl) continue;
    const pem = pemOf(crl.der);
    write(`${id}.crl`, crl.der);
    write(`${id}.pem`, pem);
    if (crl.delta) write(`${id}-delta.crl`, crl.delta);
    if (crl.delta) write(`${id}-delta.pem`, pemOf(crl.delta));
    all.push(pem);
  }
  write("all.pem", Buffer.concat(all));
  return { files, changed };
}

/** Tells whoever reads the files that they have changed, if that was not done since. */
export async function tellIfChanged(directory: string, tell: () => Promise<void>): Promise<void> {
  const untold = join(directory, UNTOLD);
  if (!existsSync(untold)) return;
  await tell();
  rmSync(untold, { force: true });
}

function pemOf(der: Uint8Array): Buffer {
  return Buffer.concat([...pemPieces("X509 CRL", der)].map((piece) => Buffer.from(piece, "latin1")));
}
