import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { enrolled } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { run, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

// What `openssl ocsp` can ask for, in one request and in any combination: several certificates, SHA-1 or SHA-256, with a
// nonce or without, by its own POST or by curl's GET. It reads what was sent and what came back.

const server = sharedServer();
let issuer: string;
let good: string;
let held: string;
let gone: string;
beforeAll(async () => {
  issuer = join(server.home, "certs/issuer.crt");
  const made: string[] = [];
  for (const token of await makeTokens(server.home, "acme", 3)) {
    const { cert, fingerprint } = await enrolled(server, token);
    const file = server.workspace.file(`${fingerprint}.crt`);
    writeFileSync(file, cert);
    made.push(file);
  }
  [good, held, gone] = made as [string, string, string];
  await admin(server.home, "suspend", held);
  await admin(server.home, "revoke", gone, "--reason", "keyCompromise");
});

interface Exchange {
  /** The hash of each CertID, and the nonces, as OpenSSL prints them. */
  readonly request: Printed;
  readonly answer: Printed;
  /** What it says of each certificate. */
  readonly said: readonly string[];
}
type Printed = Readonly<Record<"hashes" | "nonces" | "serials", readonly string[]>>;

const printed = (text: string): Printed => ({
  hashes: [...text.matchAll(/Hash Algorithm: (\w+)/g)].map(([, name = ""]) => name),
  nonces: [...text.matchAll(/OCSP Nonce: \n +([0-9A-F]+)\n/g)].map(([, hex = ""]) => hex),
  serials: [...text.matchAll(/Serial Number: ([0-9A-F]+)/g)].map(([, hex = ""]) => hex),
});

/** Has OpenSSL make a request, sends it in that way, and has OpenSSL judge the answer to that very request. */
async function exchange(way: "POST" | "GET", hash: string, ...flags: string[]): Promise<Exchange> {
  const [asked, answered] = [server.workspace.file("request.der"), server.workspace.file("answer.der")];
  const named = [good, held, gone].flatMap((file) => [hash, "-cert", file]);
  const about = ["-issuer", issuer, ...named, hash, "-serial", "0x7f00", ...flags];
  await runOk("openssl", ["ocsp", ...about, "-reqout", asked]);
  const by = {
    POST: [
      "-H",
      "Content-Type: application/ocsp-request",
      "--data-binary",
      `@${asked}`,
      `${server.public}/ocsp`,
    ],
    GET: [`${server.public}/ocsp/${encodeURIComponent(readFileSync(asked).toString("base64"))}`],
  };
  await runOk("curl", ["-sSf", "-o", answered, ...by[way]]);
  const trust = ["-CAfile", server.root, "-issuer", issuer];
  const read = await run("openssl", ["ocsp", "-reqin", asked, "-respin", answered, ...trust, "-text"]);
  expect(read).toMatchObject({ code: 0 });
  expect(read.stderr).toContain("Response verify OK");
  const [request = "", answer = ""] = read.stdout.split(/(?=^OCSP Response Data:)/m);
  const said = [
    ...answer.matchAll(/Cert Status: (\w+)\n(?: +Revocation Time: .*\n)?(?: +Revocation Reason: (\w+))?/g),
  ];
  return {
    request: printed(request),
    answer: printed(answer),
    said: said.map(([, status = "", reason]) => (reason === undefined ? status : `${status} ${reason}`)),
  };
}

describe.each(["POST", "GET"] as const)("by %s", (way) => {
  test.each([
    ["-sha1", "sha1"],
    ["-sha256", "sha256"],
  ])("several certificates by %s, with a nonce, which comes back", async (flag, hash) => {
    const { request, answer, said } = await exchange(way, flag);
    expect(said).toEqual(["good", "revoked certificateHold", "revoked keyCompromise", "unknown"]);
    expect(request.hashes).toEqual([hash, hash, hash, hash]);
    expect(answer.hashes).toEqual(request.hashes);
    expect(new Set(answer.serials.slice(0, 4))).toEqual(new Set(request.serials));
    expect(request.nonces).toHaveLength(1);
    expect(answer.nonces).toEqual(request.nonces);
    expect((await exchange(way, flag)).answer.nonces).not.toEqual(answer.nonces);
  });

  test("without a nonce there is none in the answer", async () => {
    const { request, answer, said } = await exchange(way, "-sha256", "-no_nonce");
    expect(said).toHaveLength(4);
    expect([request.nonces, answer.nonces]).toEqual([[], []]);
  });
});

test("openssl itself asks, and finds its nonce; in another's answer it does not", async () => {
  const about = ["-issuer", issuer, "-sha256", "-cert", good, "-sha256", "-cert", gone];
  const answer = server.workspace.file("earlier.der");
  const trust = ["-CAfile", server.root];
  const url = ["-url", `${server.public}/ocsp`, "-respout", answer];
  const asked = await run("openssl", ["ocsp", ...about, ...url, ...trust]);
  expect(asked).toMatchObject({ code: 0, stderr: "Response verify OK\n" });
  expect(asked.stdout).toContain(`${good}: good\n`);
  expect(asked.stdout).toContain(`${gone}: revoked\n`);
  // It makes a new nonce, which an answer that was kept does not have.
  const replayed = await run("openssl", ["ocsp", ...about, "-respin", answer, ...trust]);
  expect(replayed.stderr).toContain("Nonce Verify error");
});
