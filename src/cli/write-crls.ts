import { join } from "node:path";
import type { Stores } from "../domain/ports.ts";
import { PUBLIC, writeFileAtomically } from "../files/files.ts";
import { toPem } from "../x509/pem.ts";

/**
 * Writes the latest CRL of every issuer to a directory, and all of them into `all.pem`: software that checks the whole
 * chain needs the root's too.
 *
 * @returns the files' paths
 */
export async function writeCrls(stores: Stores, directory: string): Promise<string[]> {
  const files: string[] = [];
  const write = (name: string, contents: string | Uint8Array): void => {
    const path = join(directory, name);
    writeFileAtomically(path, contents, PUBLIC);
    files.push(path);
  };
  let all = "";
  for (const { id } of await stores.issuers.list()) {
    const crl = await stores.crls.latest(id);
    if (!crl) continue;
    const pem = toPem("X509 CRL", crl.der);
    write(`${id}.crl`, crl.der);
    write(`${id}.pem`, pem);
    all += pem;
  }
  write("all.pem", all);
  return files;
}
