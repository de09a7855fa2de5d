import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import type { ClientFiles } from "../../src/client/files/certificate-files.ts";
import { openKey } from "../../src/client/files/key-files.ts";
import { enrolled } from "./client.ts";
import type { TestServer } from "./server.ts";
import { snapshot } from "./snapshot.ts";
import { makeWorkspace } from "./workspace.ts";

/** A client that has enrolled, with its files in a folder that goes away when the test ends. */
export interface ClientFolder extends ClientFiles {
  readonly path: string;
}

/** Enrols into files, as `enroll` does. */
export async function enrolledFiles(
  server: Pick<TestServer, "ca" | "root" | "token">,
  account = "acme",
  ...tokenArgs: readonly string[]
): Promise<ClientFolder> {
  const workspace = await makeWorkspace();
  onTestFinished(workspace.remove);
  const { path } = workspace;
  const files = { key: join(path, "client.key"), cert: join(path, "client.crt"), ca: join(path, "ca.crt") };
  const { key, cert, ca } = await enrolled(server, await server.token(account, ...tokenArgs));
  writeFileSync(files.key, key, { mode: 0o600 });
  writeFileSync(files.cert, cert);
  writeFileSync(files.ca, ca);
  return { ...files, path };
}

/** The fingerprint of the certificate that a client's files hold; fails when its key is not the one beside it. */
export function heldBy({ key, cert }: ClientFiles, passphrase?: string): string {
  const leaf = new X509Certificate(readFileSync(cert));
  expect(leaf.checkPrivateKey(openKey(key, passphrase))).toBe(true);
  return leaf.fingerprint256.replaceAll(":", "").toLowerCase();
}

/** How often a home's CA has taken a key for a copied one. */
export function cloneAlarms(home: string): number {
  return (snapshot(home)["changes"] ?? []).filter(({ action }) => action === "credential.clone").length;
}

/** The certificates that a home's CA has issued for an account, the first one first. */
export function issuedTo(home: string, account: string): { fingerprint: string; status: string }[] {
  const { accounts = [], certificates = [] } = snapshot(home);
  const id = accounts.find(({ slug }) => slug === account)?.["id"];
  return certificates
    .filter(({ account_id }) => account_id === id)
    .sort((a, b) => (String(a["serial"]) < String(b["serial"]) ? -1 : 1))
    .map(({ fingerprint, status }) => ({ fingerprint: String(fingerprint), status: String(status) }));
}
