import { spawnSync } from "node:child_process";
import { type TestContext, expect } from "vitest";
import { type Instant, SECOND } from "../../src/domain/time.ts";
import { run, runOk } from "./run.ts";

// Other people's programs, each asked about many certificates at once.

/**
 * What `openssl verify -x509_strict` says of each file: "OK", or why not.
 *
 * @param trust PEM files with the roots and with the issuers
 */
export async function opensslVerify(
  program: string,
  files: readonly string[],
  trust: { readonly roots: string; readonly issuers: string },
  purpose: "sslclient" | "sslserver",
  at?: Instant,
): Promise<ReadonlyMap<string, string>> {
  const time = at === undefined ? [] : ["-attime", String(at / SECOND)];
  const options = ["-x509_strict", "-auth_level", "2", "-purpose", purpose, ...time];
  const chain = ["-CAfile", trust.roots, "-untrusted", trust.issuers];
  const { stdout, stderr } = await run(program, ["verify", ...options, ...chain, ...files]);
  const taken = [...stdout.matchAll(/^(.+): OK$/gm)].map(([, file]) => [file, "OK"] as const);
  const refused = stderr.matchAll(/^error \d+ at \d+ depth lookup: (.+)\nerror (.+): verification failed$/gm);
  const said = [...taken, ...[...refused].map(([, why, file]) => [file, why] as const)];
  expect(said, `${program} says something of each`).toHaveLength(files.length);
  return new Map(said.map(([file, what]) => [String(file), String(what)]));
}

/** What OpenSSL prints of each certificate of a PEM file, in their order. */
export async function opensslTexts(bundle: string): Promise<string[]> {
  const text = await runOk("openssl", ["storeutl", "-noout", "-text", "-certs", bundle]);
  return text.split(/^\d+: Certificate\n/m).slice(1);
}

/** Without `certtool`, the running test is skipped. */
export function requireCerttool(context: TestContext): void {
  requireProgram(context, "certtool", "gnutls-bin");
}

/** Without the program on the PATH, the running test is skipped. */
export function requireProgram({ skip }: TestContext, program: string, debianPackage = program): void {
  const { status } = spawnSync("sh", ["-c", 'command -v "$1"', "sh", program]);
  if (status !== 0) skip(`${program} is not here: install Debian's ${debianPackage}`);
}

/** What GnuTLS prints of each certificate of a PEM file, in their order. */
export async function certtoolTexts(context: TestContext, bundle: string): Promise<string[]> {
  requireCerttool(context);
  const text = await runOk("certtool", ["--certificate-info", "--infile", bundle]);
  return text.split(/^X\.509 Certificate Information:\n/m).slice(1);
}
