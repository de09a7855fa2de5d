import { type X509Certificate, generateKeyPairSync } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { sha256Hex } from "../../src/domain/identifiers.ts";
import { type TestCredential, freshRequest, requestCertificate } from "./client.ts";
import { eventually } from "./eventually.ts";
import type { TestServer } from "./server.ts";

// What tests of a move to another issuing CA have in common.

/** Changes fields of a profile's file; a running server goes by the old one until `reload`. */
export function changeProfile(home: string, name: string, changes: object): void {
  const file = join(home, "profiles", `${name}.json`);
  const profile = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...profile, ...changes }));
}

/** Has the server read its profiles, and returns what it wrote of that. */
export async function reload(server: TestServer): Promise<string> {
  const before = server.log().length;
  server.process.kill("SIGHUP");
  return eventually(() => {
    const said = server.log().slice(before);
    expect(said).toMatch(/the profiles were (not )?read again/);
    return said;
  });
}

/** Enrols a new key of that type over the wire. */
export async function enrolledWith(
  server: { readonly ca: string; readonly root: string },
  token: string,
  keyType: "ec-p256" | "ml-dsa-44" | "ml-dsa-65" | "ml-dsa-87",
): Promise<TestCredential> {
  const pair =
    keyType === "ec-p256"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync(keyType as "ml-dsa-65");
  const { key, csr } = await freshRequest(pair);
  const answer = await requestCertificate(server, token, { csr });
  expect(answer.status, answer.text).toBe(201);
  const { chain, fingerprint, serial } = answer.json;
  return {
    ...{ key, cert: String(chain), ca: readFileSync(server.root) },
    ...{ fingerprint: String(fingerprint), serial: String(serial) },
  };
}

/** Every file below a folder, with its mode and a hash of what is in it; but for one that a server is just writing. */
export function filesBelow(directory: string): Record<string, string> {
  const all = readdirSync(directory, { recursive: true, withFileTypes: true });
  const entries = all.filter(({ name }) => !name.endsWith(".tmp"));
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const contents = entry.isFile() ? sha256Hex(readFileSync(path)) : "";
      return [path, `${modeOf(path)} ${contents}`];
    }),
  );
}

/** A file's permissions in octal. */
export function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

/** A certificate's key (SubjectPublicKeyInfo) in hex, to be compared. */
export function spkiOf(certificate: X509Certificate): string {
  return certificate.publicKey.export({ format: "der", type: "spki" }).toString("hex");
}
