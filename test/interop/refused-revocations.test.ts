import { createPublicKey, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { codec } from "../../src/x509/codec.ts";
import { type TestCredential, call, freshRequest, requestCertificate } from "../support/client.ts";
import { admin, command } from "../support/command.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

// Whatever may not be revoked, by whoever asks in whichever way: it says why, and not a row of the database is another one.

const server = sharedServer();
type Holder = TestCredential & { readonly csr: string };
let [active, held, gone, other] = [] as unknown as [Holder, Holder, Holder, Holder];
beforeAll(async () => {
  const tokens = await makeTokens(server.home, "acme", 4);
  const all = await Promise.all(tokens.map(enrolledWithCsr));
  [active, held, gone, other] = all as [Holder, Holder, Holder, Holder];
  await admin(server.home, "suspend", held.fingerprint);
  await admin(server.home, "revoke", gone.fingerprint, "--reason", "superseded");
});

async function enrolledWithCsr(token: string): Promise<Holder> {
  const { key, csr } = await freshRequest();
  const { json } = await requestCertificate(server, token, { csr });
  const ca = readFileSync(server.root);
  const { chain, fingerprint, serial } = json;
  return { key, csr, ca, cert: String(chain), fingerprint: String(fingerprint), serial: String(serial) };
}

/** What it came to, in a database that is the same afterwards. */
async function unchanged<Result>(work: () => Promise<Result>): Promise<Result> {
  const before = snapshot(server.home);
  const result = await work();
  expect(snapshot(server.home)).toEqual(before);
  return result;
}

/** A command that must be refused; returns its exit code and the error's. */
async function refused(...args: readonly string[]): Promise<[number | null, string]> {
  const ran = await unchanged(() => command([...args, "--home", server.home]));
  expect(ran.stdout).not.toMatch(/^(Revoked|Suspended|Resumed) (?!0)/m);
  return [ran.code, /\(([A-Z_]+)\)\n$/.exec(ran.stderr)?.[1] ?? ran.stderr];
}

const nobody = "0".repeat(64);
describe("by command", () => {
  test.each<readonly [string, () => readonly string[], number, string]>([
    ["a serial number that nobody has", () => ["revoke", "abc123"], 1, "NOT_FOUND"],
    ["its own, with one digit more", () => ["revoke", `${active.serial}0`], 1, "NOT_FOUND"],
    ["a fingerprint that nobody has", () => ["revoke", nobody], 1, "NOT_FOUND"],
    ["one that nobody has, suspended", () => ["suspend", "abc123"], 1, "NOT_FOUND"],
    ["one that nobody has, resumed", () => ["resume", "abc123"], 1, "NOT_FOUND"],
    ["zero", () => ["revoke", "0x00"], 2, "ID_MALFORMED"],
    ["zero in decimal", () => ["revoke", "dec:0"], 2, "ID_MALFORMED"],
    ["a negative number", () => ["revoke", "--", "dec:-1"], 2, "ID_MALFORMED"],
    ["more than twenty octets", () => ["revoke", `1${"0".repeat(40)}`], 2, "ID_MALFORMED"],
    ["twenty octets and the high bit", () => ["revoke", "80".repeat(20)], 2, "ID_MALFORMED"],
    [
      "twenty octets and the high bit, in decimal",
      () => ["revoke", `dec:${(1n << 159n).toString()}`],
      2,
      "ID_MALFORMED",
    ],
    ["twice", () => ["revoke", gone.fingerprint], 1, "ALREADY_REVOKED"],
    [
      "twice, with a graver reason",
      () => ["revoke", gone.serial, "--reason", "keyCompromise"],
      1,
      "ALREADY_REVOKED",
    ],
    ["a revoked one suspended", () => ["suspend", gone.serial], 1, "ALREADY_REVOKED"],
    ["a revoked one resumed", () => ["resume", gone.serial], 1, "ALREADY_REVOKED"],
    ["a suspended one suspended", () => ["suspend", held.serial], 1, "STATE_UNCHANGED"],
    ["an active one resumed", () => ["resume", active.serial], 1, "STATE_UNCHANGED"],
    [
      "since a time to come",
      () => ["revoke", active.serial, "--invalid-since", "2999-01-01T00:00:00Z"],
      2,
      "TIME_INVALID",
    ],
    ["with a note of nothing", () => ["revoke", active.serial, "--note", " "], 2, "NOTE_INVALID"],
  ])("%s", async (_what, args, exit, code) => {
    expect(await refused(...args())).toEqual([exit, code]);
  });

  const noReasons = [
    "7",
    "unused",
    "removeFromCRL",
    "8",
    "certificateHold",
    "6",
    "",
    "KeyCompromise",
    "1",
    "superseded ",
  ];
  test.each(noReasons)(
    "for the reason %j, of one, of several, of an account and of a list",
    async (reason) => {
      const because = ["--reason", reason];
      const list = server.workspace.file("list.txt");
      writeFileSync(list, `${active.fingerprint}\n`);
      for (const args of [
        ["revoke", active.serial, ...because],
        ["revoke", active.fingerprint, other.fingerprint, ...because],
        ["revoke", "--account", "acme", ...because],
        ["revoke", "--from-file", list, ...because],
        ["account", "revoke-all", "acme", ...because],
      ])
        expect(await refused(...args), args.join(" ")).toEqual([2, "REASON_UNKNOWN"]);
    },
  );

  test.each(["7", "unused", "removeFromCRL", "certificateHold", "KeyCompromise"])(
    "for the reason %s in the line of a list",
    async (reason) => {
      const list = server.workspace.file("list.txt");
      writeFileSync(list, `${active.fingerprint} ${reason}\n`);
      const ran = await unchanged(() => command(["revoke", "--from-file", list, "--home", server.home]));
      expect(ran.code).toBe(1);
      expect(ran.stdout).toMatch(/^line 1: .*\(REASON_UNKNOWN\)\n/);
      expect(ran.stderr).toContain("(LIST_INCOMPLETE)");
    },
  );
});

describe("over HTTPS", () => {
  const tlsOf = ({ key, cert, ca }: TestCredential) => ({ key, cert, ca });
  const post = async (path: string, body: unknown, from?: TestCredential): Promise<[number, unknown]> => {
    const { status, json } = await unchanged(() =>
      call(`${server.ca}/v1/${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        tls: from ? tlsOf(from) : { ca: readFileSync(server.root) },
      }),
    );
    return [status, json["code"]];
  };

  test.each(["7", "unused", "removeFromCRL", "certificateHold", "KeyCompromise", "", "cACompromise"])(
    "for the reason %j, by the holder",
    async (reason) => {
      const path = `certificates/${active.fingerprint}/revoke`;
      expect(await post(path, { reason }, active)).toEqual([400, "REASON_UNKNOWN"]);
    },
  );

  test.each([7, 8, null, ["superseded"]])(
    "for the reason %j, which is no text, by the holder",
    async (reason) => {
      const path = `certificates/${active.fingerprint}/revoke`;
      expect(await post(path, { reason }, active)).toEqual([400, "BODY_MALFORMED"]);
    },
  );

  test.each<readonly [string, () => string, () => TestCredential, number, string]>([
    ["one that nobody has", () => "abc123", () => active, 403, "NOT_OWN_CREDENTIAL"],
    ["somebody else's", () => other.serial, () => active, 403, "NOT_OWN_CREDENTIAL"],
    ["zero", () => "0x00", () => active, 403, "NOT_OWN_CREDENTIAL"],
    ["more than twenty octets", () => `1${"0".repeat(40)}`, () => active, 403, "NOT_OWN_CREDENTIAL"],
    ["its own negative", () => `-${active.serial}`, () => active, 403, "NOT_OWN_CREDENTIAL"],
    ["its own, twice", () => gone.serial, () => gone, 403, "CERT_REVOKED"],
    ["its own, suspended", () => held.serial, () => held, 403, "CERT_SUSPENDED"],
  ])("%s, by a holder", async (_what, id, from, status, code) => {
    const path = `certificates/${encodeURIComponent(id())}/revoke`;
    expect(await post(path, { reason: "superseded" }, from())).toEqual([status, code]);
  });

  const nonce = async (): Promise<string> => {
    const tls = { ca: readFileSync(server.root) };
    return String((await call(`${server.ca}/v1/key-compromise`, { method: "POST", tls })).json["nonce"]);
  };
  const proofBy = (
    { key }: { readonly key: string },
    given: string,
    message = `countersign key compromise\n${given}`,
  ) => ({
    nonce: given,
    publicKey: createPublicKey(key).export({ format: "pem", type: "spki" }),
    signature: sign("sha256", Buffer.from(message), key).toString("base64"),
  });
  const prove = (proof: unknown): Promise<[number, unknown]> => post("key-compromise/proof", proof);

  test("by a proof of possession that is wrong", async () => {
    const given = await nonce();
    const right = proofBy(active, given);
    const flipped = Buffer.from(right.signature, "base64");
    flipped[12] = (flipped[12] ?? 0) ^ 1;
    for (const wrong of [
      { ...right, signature: proofBy(other, given).signature },
      { ...right, publicKey: proofBy(other, given).publicKey },
      { ...right, signature: flipped.toString("base64") },
      { ...right, nonce: await nonce() },
      proofBy(active, given, given),
    ])
      expect(await prove(wrong)).toEqual([403, "PROOF_INVALID"]);
  });

  test("by an old CSR, however it is sent", async () => {
    const { csr } = active; // it was in a log, or in a repository: anybody may have it
    const { spki, proof } = codec.parseRequest(Buffer.from(csr));
    const publicKey = Buffer.from(spki).toString("base64");
    const signature = Buffer.from(proof.signature).toString("base64");
    const info = Buffer.from(proof.info).toString("base64");
    const given = await nonce();
    // It is a right signature by that very key, over what is no nonce of ours.
    expect(await prove({ nonce: given, publicKey, signature })).toEqual([403, "PROOF_INVALID"]);
    for (const own of [info, csr])
      expect(await prove({ nonce: own, publicKey, signature })).toEqual([403, "NONCE_UNKNOWN"]);
    expect(await prove({ nonce: given, publicKey: csr, signature })).toEqual([400, "BODY_MALFORMED"]);
    for (const body of [{ csr }, { csr, nonce: given }, { nonce: given, publicKey, csr }])
      expect(await prove(body)).toEqual([400, "BODY_MALFORMED"]);
    // The nonce is still good for who holds the key; so the fault was the CSR's.
    await expectTaken(proofBy(active, given));
  });

  test("by a proof that was replayed, also for another key or after the key's end", async () => {
    const given = await nonce();
    const right = proofBy(other, given);
    expect(await prove({ ...right, nonce: "A".repeat(76) })).toEqual([403, "NONCE_UNKNOWN"]);
    await expectTaken(right);
    expect(await prove(right)).toEqual([403, "NONCE_USED"]);
    expect(await prove(proofBy(held, given))).toEqual([403, "NONCE_USED"]);
    expect(await prove(proofBy(other, await nonce()))).toEqual([409, "STATE_UNCHANGED"]);
  });

  async function expectTaken(proof: unknown): Promise<void> {
    const answer = await call(`${server.ca}/v1/key-compromise/proof`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(proof),
      tls: { ca: readFileSync(server.root) },
    });
    expect(answer).toMatchObject({ status: 200, json: { revoked: 1 } });
  }
});
