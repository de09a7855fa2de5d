import { writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type TestCredential, enrolled, freshRequest } from "../support/client.ts";
import { command } from "../support/command.ts";
import { countersign, script } from "../support/run.ts";
import { signedOffRecord } from "../support/own-issuer.ts";
import { sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

const server = sharedServer();
let credential: TestCredential;
beforeAll(async () => {
  credential = await enrolled(server, await server.token("acme"));
});

function here(...args: string[]) {
  return command([...args, "--home", server.home]);
}

test("list --expiring has what is live and ends in time, the first to end first", async () => {
  await here("account", "create", "ends");
  const sign = async (name: string, minutes: number): Promise<string> => {
    const csr = server.workspace.file(`${name}.csr`);
    writeFileSync(csr, (await freshRequest()).csr);
    const end = new Date(Date.now() + minutes * 60_000).toISOString();
    return String((await server.admin("sign", csr, "--account", "ends", "--not-after", end))["fingerprint"]);
  };
  const later = await sign("later", 90);
  const [sooner, suspended] = [await sign("sooner", 30), await sign("suspended", 60)];
  const [revoked] = [await sign("revoked", 40), await sign("after", 600)];
  await server.admin("revoke", revoked);
  await server.admin("suspend", suspended);
  const list = (await server.admin("list", "--account", "ends", "--expiring", "2h")) as unknown as {
    fingerprint: string;
  }[];
  expect(list.map(({ fingerprint }) => fingerprint)).toEqual([sooner, suspended, later]);
});

describe("refused, with nothing changed", () => {
  test.each<[string, number, string, string[]]>([
    ["an unknown serial", 1, "NOT_FOUND", ["revoke", "0badc0de"]],
    ["an unknown fingerprint", 1, "NOT_FOUND", ["revoke", "0".repeat(64)]],
    ["a file that isn't there", 1, "FILE_UNREADABLE", ["revoke", "nothing.crt"]],
    ["a file that is no certificate", 1, "FILE_UNREADABLE", ["revoke", "package.json"]],
    ["an unknown reason", 2, "REASON_UNKNOWN", ["revoke", "01", "--reason", "tired"]],
    ["a hold as a reason", 2, "REASON_UNKNOWN", ["revoke", "01", "--reason", "certificateHold"]],
    ["a bad account name", 2, "SLUG_INVALID", ["account", "create", "Not OK"]],
    ["a bad scope", 2, "SCOPE_INVALID", ["account", "create", "x", "--scopes", "no spaces"]],
    ["a bad address", 2, "CIDR_INVALID", ["account", "create", "x", "--allow-ip", "10.0.0.0/33"]],
    ["no address", 2, "ADDRESS_INVALID", ["why", "01", "--ip", "10.0.0.0/8"]],
    ["an account that exists", 1, "ACCOUNT_EXISTS", ["account", "create", "acme"]],
    ["an account that doesn't", 1, "NOT_FOUND", ["account", "show", "nobody"]],
    ["resuming what is active", 1, "STATE_UNCHANGED", ["account", "resume", "acme"]],
    ["a token for nobody", 1, "NOT_FOUND", ["token", "create", "nobody"]],
    ["an account named like a fault", 1, "NOT_FOUND", ["token", "create", "timeoutless"]],
    ["a token of no profile", 1, "PROFILE_UNKNOWN", ["token", "create", "acme", "--profile", "root"]],
    ["a token for a while", 2, "DURATION_INVALID", ["token", "create", "acme", "--ttl", "a while"]],
    ["a token for years", 2, "DURATION_INVALID", ["token", "create", "acme", "--ttl", "999d"]],
    [
      "a token beyond its account",
      2,
      "SCOPE_INVALID",
      ["token", "create", "acme", "--scopes", "orders:read"],
    ],
    ["certificates of nobody", 1, "NOT_FOUND", ["list", "--account", "nobody"]],
    ["tokens of nobody", 1, "NOT_FOUND", ["token", "list", "nobody"]],
    ["revoking no token", 1, "NOT_FOUND", ["token", "revoke", "00"]],
    ["showing no token", 1, "NOT_FOUND", ["token", "show", "00"]],
    ["a token for nowhere", 2, "CIDR_INVALID", ["token", "create", "acme", "--from", "10.0.0.0/33"]],
    ["a token for no key", 2, "ID_MALFORMED", ["token", "create", "acme", "--spki", "ab12"]],
    ["a token of no use", 2, "USES_INVALID", ["token", "create", "acme", "--uses", "0"]],
    ["a token of too many", 2, "USES_INVALID", ["token", "create", "acme", "--uses", "100001"]],
    ["a token of some", 2, "USES_INVALID", ["token", "create", "acme", "--uses", "some"]],
    ["approving nothing", 1, "NOT_FOUND", ["request", "approve", "ab".repeat(32), "--account", "acme"]],
    ["approving by an id", 2, "ID_MALFORMED", ["request", "approve", "ab12", "--account", "acme"]],
    ["denying nothing", 1, "NOT_FOUND", ["request", "deny", "ab".repeat(32)]],
    ["denying where nobody asked", 1, "NOT_FOUND", ["request", "deny", "--address", "192.0.2.0/24"]],
    ["denying no range", 2, "CIDR_INVALID", ["request", "deny", "--address", "192.0.2"]],
  ])("%s: exit %i, %s", async (_name, code, expected, args) => {
    const before = snapshot(server.home);
    const ran = await here(...args);
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toContain(`(${expected})`);
    expect(snapshot(server.home)).toEqual(before);
  });

  test.each([
    [["revoke"]],
    [["request", "deny"]],
    [["request", "deny", "ab".repeat(32), "--address", "192.0.2.0/24"]],
    [["account"]],
    [["nonsense"]],
    [["list", "--status", "odd"]],
    [["init", "--password", "x"]],
    [["account", "update", "acme"]],
    [["token", "create", "acme", "--key-type", "rsa-1024"]],
    [["request", "approve", "ab".repeat(32)]],
    [["credential", "update", "01", "--json"]],
    [["credential", "update", "01", "--all-scopes", "--scopes", "orders:read"]],
  ])("usage: %j exits 2", async (args) => {
    expect((await command(args)).code).toBe(2);
  });

  test("a credential beyond its account", async () => {
    const before = snapshot(server.home);
    const ran = await here("credential", "update", credential.fingerprint, "--scopes", "nope");
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toBe("countersign: The account has no scope 'nope'. (SCOPE_INVALID)\n");
    expect(snapshot(server.home)).toEqual(before);
  });

  test("no home", async () => {
    const ran = await countersign(["list", "--home", server.workspace.file("nowhere")]);
    expect(ran).toMatchObject({ code: 1 });
    expect(ran.stderr).toContain("HOME_MISSING");
  });
});

test("revoking twice fails, by script too", async () => {
  const { fingerprint, serial } = await enrolled(server, await server.token("acme"));
  const first = await script("revoke", [
    `0x${serial.toUpperCase()}`,
    "--reason",
    "superseded",
    "--home",
    server.home,
  ]);
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout).toBe(
    `Revoked ${fingerprint} of account acme (superseded). Applied by 1 server; 0 connections closed.\n`,
  );
  const before = snapshot(server.home);
  const second = await script("revoke", [fingerprint, "--home", server.home, "--json"]);
  expect(second).toMatchObject({ code: 1, stdout: "" });
  expect(JSON.parse(second.stderr)).toMatchObject({ code: "ALREADY_REVOKED" });
  expect(snapshot(server.home)).toEqual(before);
});

describe("a certificate by any of its names", () => {
  test.each<[string, () => string]>([
    ["fingerprint", () => credential.fingerprint],
    ["fingerprint as OpenSSL prints it", () => colons(credential.fingerprint)],
    ["serial", () => credential.serial],
    ["serial as OpenSSL prints it", () => colons(credential.serial.padStart(32, "0"))],
    ["serial with 0x", () => `0x${credential.serial}`],
    ["serial in decimal", () => `dec:${String(BigInt(`0x${credential.serial}`))}`],
    ["file", () => server.workspace.file("named.crt")],
  ])("%s", async (_name, id) => {
    writeFileSync(server.workspace.file("named.crt"), credential.cert);
    expect(await server.admin("show", id())).toMatchObject({ fingerprint: credential.fingerprint });
  });
});

function colons(hex: string): string {
  return hex.toUpperCase().replace(/..(?=.)/g, "$&:");
}

describe("why", () => {
  test("a live one", async () => {
    expect(await server.admin("why", credential.serial)).toMatchObject({ allowed: true, account: "acme" });
  });

  test("one that is not on record", async () => {
    const file = server.workspace.file("ghost.crt");
    writeFileSync(file, (await signedOffRecord(server.home)).cert);
    expect(await server.admin("why", file)).toMatchObject({ allowed: false, code: "CERT_UNKNOWN" });
  });

  test("the listeners' own", async () => {
    const file = `${server.home}/certs/server.crt`;
    expect(await server.admin("why", file)).toMatchObject({ allowed: false, code: "CERT_PURPOSE" });
  });

  test("a scope it lacks, an address it may not come from", async () => {
    await server.admin("account", "create", "fenced", "--scopes", "a", "--allow-ip", "10.0.0.0/8");
    const { fingerprint } = await enrolled(server, await server.token("fenced"));
    const ask = (...args: string[]) => server.admin("why", fingerprint, ...args);
    expect(await ask("--scope", "b")).toMatchObject({ code: "SCOPE_MISSING" });
    expect(await ask("--ip", "192.0.2.1")).toMatchObject({ code: "ADDRESS_NOT_ALLOWED" });
    expect(await ask("--ip", "::ffff:10.1.2.3", "--scope", "a")).toMatchObject({
      allowed: true,
      scopes: ["a"],
    });
  });
});

test("lists accounts, tokens and certificates", async () => {
  const made = await server.admin("token", "create", "acme", "--ttl", "2h");
  expect(made).toMatchObject({ account: "acme", profile: "client" });
  const tokens = (await server.admin("token", "list", "acme")) as unknown as { id: string; status: string }[];
  expect(tokens.find(({ id }) => id === made["id"])).toMatchObject({ status: "open" });
  expect(JSON.stringify(tokens)).not.toContain("cst_");
  await server.admin("token", "revoke", String(made["id"]));
  const after = (await server.admin("token", "list", "acme")) as unknown as { id: string; status: string }[];
  expect(after.find(({ id }) => id === made["id"])).toMatchObject({ status: "revoked" });

  const certificates = (await server.admin("list", "--account", "acme", "--expiring", "7d")) as unknown as {
    fingerprint: string;
  }[];
  expect(certificates.map(({ fingerprint }) => fingerprint)).toContain(credential.fingerprint);
  expect((await here("list", "--status", "expired")).stdout.split("\n")).toHaveLength(2);
  expect((await here("account", "list")).stdout).toMatch(/^ACCOUNT .*\nacme +active/);
  expect(await server.admin("account", "show", "acme")).toMatchObject({ slug: "acme", status: "active" });
});

test("a fleet's token: its rules over the wire, and what became of each use", async () => {
  const rules = ["--from", "10.0.0.0/8,127.0.0.0/8", "--key-type", "ec-p256,ed25519"];
  const made = await server.admin("token", "create", "acme", "--uses", "2", ...rules);
  const token = String(made["token"]);
  const [one, two] = [await enrolled(server, token), await enrolled(server, token)];
  await expect(enrolled(server, token)).rejects.toThrow("TOKEN_USED");
  const id = String(made["id"]);
  const shown = await server.admin("token", "show", id);
  expect(shown).toMatchObject({
    ...{ id, account: "acme", status: "used", uses: 2, usesTaken: 2, usedFrom: "127.0.0.1" },
    from: ["10.0.0.0/8", "127.0.0.0/8"],
    keyTypes: ["ec-p256", "ed25519"],
  });
  expect([...(shown["fingerprints"] as string[])].sort()).toEqual([one.fingerprint, two.fingerprint].sort());
  const listed = (await server.admin("token", "list", "acme")) as unknown as Record<string, unknown>[];
  expect(listed.find((each) => each["id"] === id)).toEqual(shown);
  expect(listed.filter((each) => String(each["id"]).startsWith(id))).toHaveLength(1);
  const text = (await here("token", "list", "acme")).stdout;
  expect(text).toContain("from 10.0.0.0/8,127.0.0.0/8; keys ec-p256,ed25519");
  expect(text).toMatch(new RegExp(`^${id} +acme +client +used +2/2 `, "m"));
  expect((await here("token", "show", id)).stdout).toMatch(
    /^Uses: +2\/2$[\s\S]+(^Enrolled: +[0-9a-f]{64}\n){2}/m,
  );

  const elsewhere = await server.token("acme", "--from", "10.0.0.0/8");
  await expect(enrolled(server, elsewhere)).rejects.toThrow("TOKEN_ADDRESS");
  const forAnother = await server.token("acme", "--spki", "ab".repeat(32));
  await expect(enrolled(server, forAnother)).rejects.toThrow("TOKEN_KEY");
});

test("a token is printed alone", async () => {
  const made = await script("create-token", ["acme", "--home", server.home]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  expect(made.stdout).toMatch(/^cst_[0-9A-Za-z]{38}\n$/);
});
