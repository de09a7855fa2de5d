import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type TestCredential, call, enrolled, freshRequest, keepAlive } from "../support/client.ts";
import { command } from "../support/command.ts";
import { type Ran, countersign, runOk, script } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
const here = (...args: string[]): Promise<Ran> => command([...args, "--home", server.home]);
const from = async (account: string): Promise<TestCredential> =>
  enrolled(server, await server.token(account));
const whoami = (agent: ReturnType<typeof keepAlive>) => call(`${server.enforce}/whoami`, { agent });
const status = async ({ fingerprint }: TestCredential) =>
  (await server.admin("show", fingerprint))["status"] as string;
const code = async (credential: TestCredential) => {
  const { key, cert, ca } = credential;
  return (await call(`${server.enforce}/whoami`, { tls: { key, cert, ca } })).json["code"];
};

describe("account revoke-all", () => {
  test("ends every certificate of an account and every connection of theirs, and nobody else's", async () => {
    const [one, other, bystander] = [await from("doomed"), await from("doomed"), await from("spared")];
    const agents = [one, one, other].map((credential) => keepAlive(credential));
    const spared = keepAlive(bystander);
    for (const agent of [...agents, spared]) expect((await whoami(agent)).status).toBe(200);

    const args = ["doomed", "--reason", "privilegeWithdrawn", "--note", "contract ended"];
    const ran = await script("revoke-all", [...args, "--json", "--home", server.home]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(ran.stdout)).toEqual({
      ...{ account: "doomed", status: "revoked", reason: "privilegeWithdrawn", note: "contract ended" },
      ...{ changed: 2, others: 0, suspended: 0, servers: 1, late: 0, connectionsClosed: 3 },
    });

    const [first, ...rest] = agents;
    if (!first) throw new Error("there is one");
    const told = await whoami(first);
    expect(told).toMatchObject({ status: 403, reusedSocket: true, json: { code: "CERT_REVOKED" } });
    expect(told.headers["connection"]).toBe("close");
    // Those that ask nothing are closed as well: what is sent next goes over a new connection.
    await expect.poll(() => rest.flatMap((agent) => Object.keys(agent.freeSockets))).toEqual([]);
    expect(await whoami(spared)).toMatchObject({ status: 200, reusedSocket: true });
    for (const agent of [...agents, spared]) agent.destroy();

    const again = await here("account", "revoke-all", "doomed");
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toContain("(STATE_UNCHANGED)");
  });

  test.each([
    ["an account that nobody knows", ["nobody"], 1, "There is no account 'nobody'. (NOT_FOUND)"],
    ["no name", ["N0"], 2, "(SLUG_INVALID)"],
    [
      "a reason that is none",
      ["spared", "--reason", "removeFromCRL"],
      2,
      "for delta CRLs only. (REASON_UNKNOWN)",
    ],
    [
      "a time that is yet to come",
      ["spared", "--invalid-since", "2999-01-01T00:00:00Z"],
      2,
      "(TIME_INVALID)",
    ],
    ["a note of two lines", ["spared", "--note", "a\nb"], 2, "(NOTE_INVALID)"],
  ])("refuses %s", async (_name, args, exit, said) => {
    const ran = await here("account", "revoke-all", ...args);
    expect(ran).toMatchObject({ code: exit, stdout: "" });
    expect(ran.stderr).toContain(said);
  });
});

describe("one certificate", () => {
  test("is revoked with a reason, since when and why; show, list, why and the CRL tell", async () => {
    const one = await from("acme");
    const args = ["--reason", "keyCompromise", "--invalid-since", "2026-01-02T03:04:05+01:00"];
    const done = await server.admin("revoke", one.fingerprint, ...args, "--note", "found on a web page");
    const said = {
      reason: "keyCompromise",
      invalidSince: "2026-01-02T02:04:05Z",
      note: "found on a web page",
    };
    expect(done).toMatchObject({ status: "revoked", ...said, others: [] });
    const by = { statusBy: expect.stringMatching(/^cli:/) as string };
    expect(await server.admin("show", one.fingerprint)).toMatchObject({ ...said, ...by });
    const listed = (await server.admin("list", "--account", "acme")) as unknown as { fingerprint: string }[];
    expect(listed.find(({ fingerprint }) => fingerprint === one.fingerprint)).toMatchObject({
      ...said,
      ...by,
    });
    expect(await server.admin("why", one.fingerprint)).toMatchObject({
      ...{ code: "CERT_REVOKED", statusAt: expect.stringMatching(/Z$/) as string },
      ...{ ...said, ...by },
    });
    const folder = server.workspace.file("crls");
    await server.admin("crl", "publish", "--out", folder);
    const crl = await runOk("openssl", ["crl", "-text", "-noout", "-in", join(folder, "all.pem")]);
    expect(crl.replace(/\s+/g, " ")).toContain("Key Compromise Invalidity Date: Jan 2 02:04:05 2026 GMT");
    const shown = (await here("show", one.fingerprint)).stdout;
    expect(shown).toMatch(/^Invalid since: 2026-01-02T02:04:05Z$/m);
    expect(shown).toMatch(/^Note: +found on a web page$/m);
    expect((await here("why", one.fingerprint)).stdout).toMatch(/^By: +cli:/m);
  });

  test("that was renewed: its successor goes on, and is named; or is suspended when its key is compromised", async () => {
    const old = await from("renewing");
    const { key: newKey, csr } = await freshRequest();
    const { key, cert, ca } = old;
    const renewed = await call(`${server.ca}/v1/certificates/renew`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      ...{ body: JSON.stringify({ csr }), tls: { key, cert, ca } },
    });
    const fingerprint = String(renewed.json["fingerprint"]);
    const successor = { ...old, key: newKey, cert: String(renewed.json["chain"]), fingerprint };
    const held = await here("suspend", old.fingerprint);
    expect(held.stdout).toContain(
      `renewing. It was renewed to ${fingerprint}, which is active. Applied by 1`,
    );
    expect(await server.admin("resume", old.fingerprint)).not.toHaveProperty("activeSuccessors");
    expect(await server.admin("suspend", old.fingerprint)).toMatchObject({ activeSuccessors: [fingerprint] });
    expect(await code(successor)).toBeUndefined();
    const ended = await here("revoke", old.fingerprint, "--reason", "keyCompromise");
    expect(ended.stdout).toContain(
      "(keyCompromise), and what came of it by renewal, 1, suspended. Applied by 1",
    );
    expect(await code(successor)).toBe("CERT_SUSPENDED");
    expect((await here("why", fingerprint)).stdout).toContain("Note: ");
    expect((await here("resume", fingerprint)).stdout).toMatch(/^Resumed/);
    const blocked = await here("revoke", successor.fingerprint, "--reason", "keyCompromise", "--json");
    expect(JSON.parse(blocked.stdout)).toMatchObject({ others: [], suspended: [], activeSuccessors: [] });
  });

  test.each([
    ["an unknown serial", ["revoke", "abc123"], 1, "No certificate on record goes by that. (NOT_FOUND)"],
    [
      "an unused reason code",
      ["revoke", "abc123", "--reason", "7"],
      2,
      "leaves code 7 unused. (REASON_UNKNOWN)",
    ],
    [
      "a hold",
      ["revoke", "abc123", "--reason", "certificateHold"],
      2,
      "'countersign suspend'. (REASON_UNKNOWN)",
    ],
    ["nothing at all", ["revoke"], 2, "error: name certificates, or give one of"],
    [
      "two selectors",
      ["revoke", "abc123", "--account", "acme"],
      2,
      "error: name certificates, or give one of",
    ],
    ["two selectors", ["suspend", "--key", "k", "--account", "acme"], 2, "error: name certificates"],
    [
      "an issuer that is none",
      ["revoke", "--issuer", "root"],
      1,
      "There is no issuing CA 'root'. (NOT_FOUND)",
    ],
    [
      "a key nobody has",
      ["revoke", "--key", "0".repeat(64)],
      1,
      "No key on record goes by that. (NOT_FOUND)",
    ],
    ["a key's file that is none", ["resume", "--key", "/nowhere"], 1, "(FILE_UNREADABLE)"],
    ["a list that is not there", ["revoke", "--from-file", "/nowhere"], 1, "(FILE_UNREADABLE)"],
    ["a list that is a folder", ["revoke", "--from-file", "/"], 1, "(FILE_UNREADABLE)"],
  ])("%s is refused", async (_name, args, exit, said) => {
    const ran = await here(...args);
    expect(ran).toMatchObject({ code: exit, stdout: "" });
    expect(ran.stderr).toContain(said);
  });

  test("revoked twice is refused", async () => {
    const one = await from("acme");
    await server.admin("revoke", one.serial);
    const ran = await here("revoke", one.fingerprint, "--json");
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(ran.stderr)).toEqual({
      code: "ALREADY_REVOKED",
      message: "It was revoked before, as unspecified. Nothing was changed.",
    });
  });
});

describe("several", () => {
  test("by name, by account, by key and by issuer, and back", async () => {
    const [one, two] = [await from("several"), await from("several")];
    expect(await server.admin("suspend", one.fingerprint, two.serial, "--note", "audit")).toMatchObject({
      ...{ status: "suspended", total: 2, changed: 2, notDone: [], servers: 1 },
    });
    expect(await code(one)).toBe("CERT_SUSPENDED");
    expect(await server.admin("resume", "--account", "several")).toMatchObject({ changed: 2, servers: 1 });
    expect(await code(one)).toBeUndefined();

    const file = server.workspace.file("several.key");
    writeFileSync(file, two.key);
    expect(await server.admin("suspend", "--key", file)).toMatchObject({ changed: 1 });
    expect([await status(one), await status(two)]).toEqual(["active", "suspended"]);

    expect(await server.admin("suspend", "--issuer", "default")).toMatchObject({ issuer: "default" });
    expect(await code(one)).toBe("CERT_SUSPENDED");
    const id = (await server.admin("show", one.fingerprint))["issuer"] as string;
    await server.admin("resume", "--issuer", id);
    expect(await code(one)).toBeUndefined();
    expect(await code(two)).toBeUndefined();

    const key = await server.admin("revoke", "--key", file, "--reason", "keyCompromise");
    expect(key).toMatchObject({
      status: "revoked",
      changed: 1,
      key: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    const hash = String(key["key"]);
    expect((await here("revoke", "--key", hash)).stderr).toContain("(STATE_UNCHANGED)");
    expect((await here("key", "list")).stdout).toContain(hash);
    expect([await status(one), await status(two)]).toEqual(["active", "revoked"]);
  });

  test("of which one is unknown: the others are done, and it says which was not", async () => {
    const one = await from("some");
    const ran = await here("revoke", "abc123", one.fingerprint);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(
      /^argument 1: abc123 \(NOT_FOUND\)\nRevoked 1; 1 not found\. Applied by 1 server; 0 connections closed\.\n$/,
    );
    expect(ran.stderr).toContain("1 of the list could not be done; the report says which. (LIST_INCOMPLETE)");
    expect(await status(one)).toBe("revoked");
  });

  test("of which one is no name: nothing is done", async () => {
    const one = await from("some");
    const ran = await here("revoke", one.fingerprint, "no such file");
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    expect(await status(one)).toBe("active");
  });
});

describe("a list", () => {
  test("with odd lines: each is wholly done or not at all, and the report has its number", async () => {
    const all = [];
    for (let i = 0; i < 6; i++) all.push(await from("listed"));
    const [plain, colons, upper, decimal, twice, held] = all as [
      ...[TestCredential, TestCredential, TestCredential],
      ...[TestCredential, TestCredential, TestCredential],
    ];
    await server.admin("suspend", held.fingerprint);
    const agent = keepAlive(plain);
    expect((await whoami(agent)).status).toBe(200);
    const lines = [
      `\ufeff${plain.fingerprint}`,
      "# a comment, and then nothing",
      "",
      `  ${colons.fingerprint.replace(/..(?=.)/g, "$&:")}\tkeyCompromise  # leaked\r`,
      `${upper.fingerprint.toUpperCase()} superseded\r`,
      `dec:${BigInt(`0x${decimal.serial}`).toString()}`,
      `0x${twice.serial}`,
      twice.fingerprint,
      held.serial,
      "abc123",
      "not a name",
      `${"ab:".repeat(31)}ab keycompromise`,
      `${"0".repeat(64)} superseded superseded`,
      "\u001b[31mred\u0000",
      "a".repeat(100_000),
      `${" ".repeat(1000)}${twice.serial}`,
      `# ${"a comment of any length ".repeat(100)}`,
      "ä",
    ];
    const file = server.workspace.file("list.txt");
    writeFileSync(file, lines.join("\n"));
    const ran = await here("revoke", "--from-file", file, "--json", "--reason", "cessationOfOperation");
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stderr)).toMatchObject({ code: "LIST_INCOMPLETE" });
    const { notDone, ...report } = JSON.parse(ran.stdout) as {
      notDone: { line: number; code: string; id: string; said?: string }[];
    };
    expect(notDone[3]).toMatchObject({ id: `${"ab:".repeat(31)}ab`, said: "keycompromise" });
    expect(report).toEqual({
      ...{
        status: "revoked",
        reason: "cessationOfOperation",
        total: 15,
        changed: 6,
        others: 0,
        suspended: 0,
      },
      ...{ alreadyRevoked: 1, unchanged: 0, notFound: 1, ambiguous: 0, malformed: 7, leftOut: 0 },
      ...{ servers: 1, late: 0, connectionsClosed: 1 },
    });
    expect(notDone.map(({ line, code: why }) => [line, why])).toEqual([
      ...[
        [8, "ALREADY_REVOKED"],
        [10, "NOT_FOUND"],
        [11, "ID_MALFORMED"],
        [12, "REASON_UNKNOWN"],
      ],
      ...[
        [13, "ID_MALFORMED"],
        [14, "ID_MALFORMED"],
        [15, "ID_MALFORMED"],
        [16, "ID_MALFORMED"],
        [18, "ID_MALFORMED"],
      ],
    ]);
    expect(notDone.every(({ id }) => /^[ -~]{0,100}$/.test(id))).toBe(true);
    expect(await Promise.all(all.map(status))).toEqual(Array(6).fill("revoked"));
    expect(await server.admin("show", upper.fingerprint)).toMatchObject({ reason: "superseded" });
    expect(await server.admin("show", held.fingerprint)).toMatchObject({ reason: "cessationOfOperation" });
    agent.destroy();
  });

  test("from standard input; what is so already is no failure, and is said", async () => {
    const one = await from("piped");
    const piped = (verb: string, input: string) =>
      countersign([verb, "--from-file", "-", "--home", server.home], { input });
    const input = `${one.fingerprint}\n`;
    const done = await piped("suspend", input);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout).toBe("Suspended 1. Applied by 1 server; 0 connections closed.\n");
    const again = await piped("suspend", input);
    expect(again).toMatchObject({ code: 0, stderr: "" });
    expect(again.stdout).toBe(
      `line 1: ${one.fingerprint} (STATE_UNCHANGED)\nSuspended 0; 1 in that state before. Nothing was changed.\n`,
    );
    // Only a revocation has a reason.
    expect((await piped("resume", `${one.fingerprint} superseded`)).stdout).toContain("(ID_MALFORMED)");
    expect((await piped("resume", input)).code).toBe(0);
    expect((await piped("revoke", input)).code).toBe(0);
    expect((await piped("revoke", input)).code).toBe(0);
    expect((await piped("resume", input)).code).toBe(1);
    expect((await piped("revoke", "\n# nothing\n")).stdout).toBe("Revoked 0. Nothing was changed.\n");
  });
});
