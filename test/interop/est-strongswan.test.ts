import { X509Certificate } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, beforeAll, describe, expect, test } from "vitest";
import { byFiles, codeOf, csrFrom, curl, whoami } from "../support/est-curl.ts";
import { eventually } from "../support/eventually.ts";
import { requireProgram } from "../support/judges.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { type Ran, run } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

// strongSwan's `pki`, as Debian has it. Without libstrongswan-standard-plugins it reads no certificate of an EC key.

const server = sharedServer({ serve: ["--approval"] });
let tokens: string[];
beforeAll(async () => {
  tokens = await makeTokens(server.home, "acme", 6);
});

const P256 = ["--type", "ecdsa", "--size", "256"] as const;

/** A folder that pki works in, with the root and the issuing CA as it has fetched them. */
class Folder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async open(context: TestContext, name: string): Promise<Folder> {
    requireProgram(context, "pki", "strongswan-pki");
    const folder = new Folder(server.workspace.file(name));
    await mkdir(folder.path);
    const { code, stderr } = await folder.authorities();
    expect(code, stderr).toBe(0);
    return folder;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  certificate(name: string): X509Certificate {
    return new X509Certificate(readFileSync(this.file(name)));
  }

  /** Runs pki, what it writes being NAME; without the lines about plugins that are not there. */
  async pki(name: string, ...args: readonly string[]): Promise<Ran> {
    const ran = await run("pki", args, { cwd: this.path });
    if (ran.stdout !== "") writeFileSync(this.file(name), ran.stdout, { mode: 0o600 });
    return { ...ran, stderr: ran.stderr.replace(/^plugin .*\n/gm, "") };
  }

  /** Fetches the CAs' certificates: ca.crt, ca-1.crt and so on. */
  authorities(): Promise<Ran> {
    const files = ["--cacert", server.root, "--caout", "ca.crt", "--force", "--outform", "pem"];
    return this.pki("", "--estca", "--url", server.ca, ...files);
  }

  /** Makes NAME.key and a CSR, NAME.csr. */
  async request(name: string, keyOptions: readonly string[], subject = "CN=acme"): Promise<void> {
    const [key, csr] = [`${name}.key`, `${name}.csr`];
    const made = await this.pki(key, "--gen", ...keyOptions, "--outform", "pem");
    expect(made.code, made.stderr).toBe(0);
    const asked = ["--in", key, "--type", "priv", "--dn", subject, "--outform", "pem"];
    const ran = await this.pki(csr, "--req", ...asked);
    expect(ran.code, ran.stderr).toBe(0);
  }

  /** Sends NAME.csr; the answer is NAME.crt. */
  enrol(name: string, ...by: readonly string[]): Promise<Ran> {
    const trusted = ["--cacert", "ca.crt", "--cacert", "ca-1.crt"];
    const asked = ["--est", "--url", server.ca, ...trusted, "--in", `${name}.csr`, "--outform", "pem"];
    return this.pki(`${name}.crt`, ...asked, ...by);
  }

  /** The same with a user name and a password, which pki reads from a file. */
  enrolAs(name: string, user: string, ...more: readonly string[]): Promise<Ran> {
    writeFileSync(this.file("options"), `--userpass ${user}\n`, { mode: 0o600 });
    return this.enrol(name, ...more, "--options", "options");
  }

  /** Renews a certificate with another's CSR. */
  renew(old: string, name: string): Promise<Ran> {
    return this.enrol(name, "--cert", `${old}.crt`, "--key", `${old}.key`);
  }

  by(name: string): string {
    return byFiles(this.file(`${name}.crt`), this.file(`${name}.key`));
  }
}

describe.concurrent("pki", () => {
  test.for([
    [["--type", "ecdsa", "--size", "256"], "ec"],
    [["--type", "ecdsa", "--size", "384"], "ec"],
    [["--type", "rsa", "--size", "2048"], "rsa"],
    [["--type", "ed25519"], "ed25519"],
  ] as const)("%s: enrols, calls, and re-enrols with a new key", async ([keyOptions, type], context) => {
    const folder = await Folder.open(context, keyOptions.join(""));
    await folder.request("own", keyOptions);
    const enrolled = await folder.enrolAs("own", `any:${tokens.pop() ?? ""}`);
    expect(enrolled.stderr).toContain("Issued certificate is trusted");
    expect(enrolled.code).toBe(0);
    expect(folder.certificate("own.crt").publicKey.asymmetricKeyType).toBe(type);
    expect(await whoami(server, folder.by("own"))).toBe("acme");

    await folder.request("next", keyOptions);
    expect(await folder.renew("own", "next")).toMatchObject({ code: 0 });
    expect(await whoami(server, folder.by("next"))).toBe("acme");
    const { renews } = await server.admin("show", folder.file("next.crt"));
    expect(renews).toBe((await server.admin("show", folder.file("own.crt")))["fingerprint"]);
  });

  test("is refused a re-enrolment under another name, and a token that was used", async (context) => {
    const folder = await Folder.open(context, "refused");
    const token = `any:${tokens.pop() ?? ""}`;
    for (const name of ["own", "next"]) await folder.request(name, P256);
    await folder.request("other", P256, "CN=other");
    expect(await folder.enrolAs("own", token)).toMatchObject({ code: 0 });

    const renamed = await folder.renew("own", "other");
    expect(renamed).toMatchObject({ code: 1, stdout: "" });
    expect(renamed.stderr).toContain("EST request failed: HTTP 400");
    const asked = [
      server.ca + "/.well-known/est/simplereenroll",
      ...csrFrom(folder.file("other.csr")),
    ] as const;
    const why = await curl(server, folder.by("own"), ...asked);
    expect({ ...why, body: codeOf(why.body) }).toEqual({ status: 400, body: "NAMES_CHANGED" });
    expect(await whoami(server, folder.by("own"))).toBe("acme");

    const again = await folder.enrolAs("next", token);
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toContain("EST request failed: HTTP 403");
    const without = await folder.enrol("next");
    expect(without).toMatchObject({ code: 1, stdout: "" });
    expect(without.stderr).toContain("EST request failed: HTTP 401");
    expect(await folder.renew("own", "next")).toMatchObject({ code: 0 });
  });

  test("without a token waits for an admin, and polls as often as it is told to", async (context) => {
    const folder = await Folder.open(context, "asking");
    await folder.request("own", P256);
    const asking = folder.enrolAs("own", "me:", "--interval", "1");
    const keyFingerprint = await eventually(async () => {
      const [waiting] = (await server.admin("request", "list")) as unknown as { keyFingerprint: string }[];
      return waiting?.keyFingerprint ?? expect.unreachable("no request waits");
    });
    await server.admin("request", "approve", keyFingerprint, "--account", "acme");
    const { code, stderr } = await asking;
    expect(stderr).toContain("EST request pending, polling indefinitely every 5 seconds");
    expect(code).toBe(0);
    expect(await whoami(server, folder.by("own"))).toBe("acme");
  });

  test("fetches the root and every issuing CA whose key it knows, in one answer", async (context) => {
    const folder = await Folder.open(context, "authorities");
    const keyTypes = ["ec-p384", "rsa-3072", "ml-dsa-44", "ml-dsa-87"];
    for (const type of keyTypes) await server.admin("issuer", "create", `of-${type}`, "--key-type", type);
    expect(await folder.authorities()).toMatchObject({ code: 0 });
    const issuers = ["issuer.crt", ...keyTypes.slice(0, 2).map((type) => `issuers/of-${type}.crt`)];
    const expected = ["root.crt", ...issuers].map((name) => join(server.home, "certs", name));
    const fetched = readdirSync(folder.path).map((name) => folder.file(name));
    const fingerprints = (files: readonly string[]): string[] =>
      files.map((file) => new X509Certificate(readFileSync(file)).fingerprint256).sort();
    expect(fingerprints(fetched)).toEqual(fingerprints(expected));
  });
});
