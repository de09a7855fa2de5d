import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PUBLIC, writeFileAtomically } from "../../src/files/files.ts";
import { beforeAll } from "vitest";
import { type TestCredential, enrolled } from "./client.ts";
import { listenerCertificate, staleCrl } from "./own-issuer.ts";
import { type TestServer, sharedServer } from "./server.ts";

/** What the recipes of docs/revocation.md call them. */
export const rootFile = "/etc/pki/countersign/root.crt";
export const crlFile = "/var/lib/countersign/crls/all.pem";

/** A CA with three clients, and the directory that `crl publish --out` writes for other software. */
export interface CrlScene {
  readonly server: TestServer;
  readonly good: TestCredential;
  readonly revoked: TestCredential;
  /** Suspended, to begin with. */
  readonly held: TestCredential;
  /** A server's certificate and key in one file. */
  readonly pem: string;
  readonly all: string;
  publish(): Promise<void>;
  /** Writes `all.pem` as published, without the root's CRL, or with the issuing CA's past its nextUpdate. */
  write(what: "all" | "no root's" | "a stale"): Promise<void>;
}

export function crlScene(): CrlScene {
  const server = sharedServer();
  const scene = { server } as CrlScene;
  beforeAll(async () => {
    const good = await enrolled(server, await server.token("acme"));
    const revoked = await enrolled(server, await server.token("acme"));
    const held = await enrolled(server, await server.token("paused"));
    await server.admin("revoke", revoked.serial);
    await server.admin("suspend", held.serial);
    const { cert, key } = listenerCertificate(server.home);
    const pem = server.workspace.file("server.pem");
    writeFileSync(pem, cert + key, { mode: 0o600 });
    const crls = server.workspace.file("crls");
    const all = join(crls, "all.pem");

    let issuing = "";
    let root = "";
    const publish = async (): Promise<void> => {
      const { issuer } = await server.admin("crl", "publish", "--out", crls);
      issuing = readFileSync(join(crls, `${String(issuer)}.pem`), "latin1");
      root = readFileSync(all, "latin1").replace(issuing, "");
    };
    const write = async (what: "all" | "no root's" | "a stale"): Promise<void> => {
      const first = what === "a stale" ? await staleCrl(server.home) : issuing;
      writeFileAtomically(all, what === "no root's" ? first : first + root, PUBLIC);
    };
    Object.assign(scene, { good, revoked, held, pem, all, publish, write });
    await publish();
  });
  return scene;
}
