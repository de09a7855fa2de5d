import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { x509 } from "../../src/x509/library.ts";
import { fromPem } from "../../src/x509/pem.ts";
import { runOk } from "./run.ts";

// What other readers make of a CSR: its key (SubjectPublicKeyInfo, DER) if they take it, signature and all.

export async function libraryKey(csr: Uint8Array): Promise<Buffer | undefined> {
  try {
    const request = new x509.Pkcs10CertificateRequest(csr);
    return (await request.verify()) ? Buffer.from(request.publicKey.rawData) : undefined;
  } catch {
    return undefined;
  }
}

/** Both processors ask OpenSSL about one CSR (DER) after the other, and the shell does not leave. */
export async function opensslKeys(
  program: string,
  folder: string,
  csrs: readonly Uint8Array[],
): Promise<(Buffer | undefined)[]> {
  const files = csrs.map((_csr, index) => join(folder, `${String(index)}.csr`));
  await Promise.all(csrs.map((csr, index) => writeFile(files[index] ?? "", csr)));
  const loop = `for file; do echo "== $file"; "$0" req -inform DER -in "$file" -verify -noout -pubkey 2>&1; done`;
  const middle = Math.ceil(files.length / 2);
  const halves = [files.slice(0, middle), files.slice(middle)].filter((half) => half.length > 0);
  const said = await Promise.all(
    halves.map((half) => runOk("sh", ["-c", `${loop}; true`, program, ...half])),
  );
  const texts = said.flatMap((text) => text.split(/^== .*\n/m).slice(1));
  if (texts.length !== csrs.length) throw new Error("OpenSSL was not asked about each");
  return texts.map((text) => {
    const pem = /-----BEGIN PUBLIC KEY-----[^]*?-----END PUBLIC KEY-----/.exec(text)?.[0] ?? "";
    return text.includes("verify OK") ? fromPem(pem, ["PUBLIC KEY"]) : undefined;
  });
}
