import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { type Serial, fingerprintOf, parseSerial, spkiHashOf } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { Database } from "../../src/domain/ports.ts";
import { revocationReasons } from "../../src/domain/revocation.ts";
import { HOUR, wholeSeconds } from "../../src/domain/time.ts";
import { openState } from "../../src/home/open.ts";
import { createAccount, noRights } from "../../src/services/accounts.ts";
import { codec } from "../../src/x509/codec.ts";
import { toPem } from "../../src/x509/pem.ts";
import { freshRequest } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { judgedCrl } from "../support/crls.ts";
import { eventually } from "../support/eventually.ts";
import { requireCerttool } from "../support/judges.ts";
import { stolenIssuer } from "../support/own-issuer.ts";
import { run, runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { putCertificate } from "../storage/records.ts";

// Our own serials begin with the time, and have no high bit for two centuries. Here are certificates, really signed, with
// others: one that is taken for a negative number, or loses a zero, is revoked under another name.

const reasons = Object.keys(revocationReasons);
const states = ["active", "resumed", "suspended", "paused", "expired", "ended", ...reasons] as const;
type State = (typeof states)[number];

/** As many as there are states, of each shape; in hex as they are on record. */
const shapes: readonly ((index: number) => string)[] = [
  (index) => (0x80 + index).toString(16), // two octets in DER, the first of them 00
  (index) => (0xff - index).toString(16),
  (index) => (0x40 + index).toString(16),
  (index) => `80${index.toString(16).padStart(2, "0")}${"00".repeat(17)}`, // nineteen, and 00
  (index) => `ff${"ff".repeat(17)}${(0xff - index).toString(16)}`,
  (index) => `7f${"ff".repeat(18)}${(0xff - index).toString(16)}`, // twenty, the most that there may be
  (index) => `1${index.toString(16).padStart(2, "0")}00`,
];

interface Leaf {
  readonly state: State;
  readonly serial: Serial;
  readonly file: string;
}

const server = sharedServer();
let database: Database;
let ca: string;
let leaves: Leaf[];
let issuerId: string;
/** The full CRLs before the last changes, and after them with the delta; PEM. */
let old: string;
let full: string;
let delta: string;
const of = (state: State): Leaf[] => leaves.filter((leaf) => leaf.state === state);
const isGone = ({ state }: Leaf): boolean => !["active", "resumed", "expired"].includes(state);

beforeAll(async () => {
  database = await openState(resolveConfig(server.home, {}, {}, readConfigFile(server.home)));
  const { issuer, sign } = stolenIssuer(server.home);
  issuerId = issuer.id;
  ca = server.workspace.file("chain.pem");
  writeFileSync(ca, toPem("CERTIFICATE", issuer.der) + readFileSync(server.root, "latin1"));
  const mutation = { clock: { now: () => Date.now() }, actor: "test" };
  const accounts = await Promise.all(
    ["acme", "paused"].map((slug) =>
      createAccount(database, mutation, { slug: parseSlug(slug), ...noRights }),
    ),
  );
  leaves = [];
  const now = wholeSeconds(Date.now());
  for (const [index, state] of states.entries()) {
    const { spki } = codec.parseRequest(Buffer.from((await freshRequest()).csr));
    for (const shape of shapes) {
      const serial = parseSerial(shape(index));
      const isOver = state === "expired" || state === "ended";
      const times = { notBefore: now - HOUR, notAfter: isOver ? now : now + HOUR };
      const der = await sign(spki, { serial, ...times });
      const account = accounts[state === "paused" ? 1 : 0];
      const record = { ...times, serial, der, fingerprint: fingerprintOf(der), spkiHash: spkiHashOf(spki) };
      await putCertificate(database, issuer.id, account, record);
      const file = server.workspace.file(`${state}-${serial}.crt`);
      writeFileSync(file, toPem("CERTIFICATE", der));
      leaves.push({ state, serial, file });
    }
  }
  const named = (state: State): string[] => of(state).map(({ serial }) => `0x${serial}`);
  const change = (command: string, state: State, ...flags: string[]) =>
    admin(server.home, command, ...named(state), ...flags);
  const publish = async (...flags: string[]): Promise<void> => {
    await admin(server.home, "crl", "publish", "--out", server.workspace.file("crls"), ...flags);
  };
  const published = (name: string): string =>
    readFileSync(join(server.workspace.file("crls"), name), "latin1");
  await change("suspend", "resumed");
  await publish();
  old = published("all.pem");
  await change("suspend", "suspended");
  await change("resume", "resumed");
  await change("revoke", "ended", "--reason", "superseded");
  for (const reason of reasons) await change("revoke", reason, "--reason", reason);
  await admin(server.home, "account", "suspend", "paused");
  // The server's own: another scheduled one would have no more of those that have expired.
  await eventually(async () => {
    const answer = await fetch(`${server.public}/crl/${issuerId}.crl`);
    const { entries } = await judgedCrl(Buffer.from(await answer.arrayBuffer()), ca);
    expect(entries.map(({ serial }) => serial)).toContain(of("paused")[0]?.serial);
  });
  await publish("--due");
  full = published("all.pem");
  delta = published(`${issuerId}-delta.pem`);
}, 60_000);
afterAll(() => database.close());

const der = (name: string): Buffer => readFileSync(join(server.workspace.file("crls"), name));
/** Serial and reason of each that must be on the list, in order. */
const meant = (): [string, number | undefined][] =>
  leaves
    .filter(isGone)
    .map(({ state, serial }): [string, number | undefined] => {
      const held = ["suspended", "paused"].includes(state) ? 6 : undefined;
      const code = state === "ended" ? 4 : (held ?? revocationReasons[state as "superseded"]);
      return [serial, (code as number) === 0 ? undefined : code];
    })
    .sort(([one], [other]) => (one < other ? -1 : 1));

describe("every one that is no longer good, by its very serial, and no other, is on the CRL", () => {
  test("as openssl crl prints it", async () => {
    const { entries } = await judgedCrl(der(`${issuerId}.crl`), ca);
    expect(entries.map(({ serial, reason }) => [serial, reason])).toEqual(meant());
    const { entries: changes } = await judgedCrl(der(`${issuerId}-delta.crl`), ca);
    const removed = changes.filter(({ reason }) => reason === 8).map(({ serial }) => serial);
    expect(removed).toEqual(
      of("resumed")
        .map(({ serial }) => serial)
        .sort(),
    );
    expect(changes).toHaveLength(meant().length + removed.length);
  });

  test("as certtool prints it", async (context) => {
    requireCerttool(context);
    const crl = join(server.workspace.file("crls"), `${issuerId}.crl`);
    const text = await runOk("certtool", ["--crl-info", "--inder", "--infile", crl]);
    // All the octets that are there: 00 before a high bit, and only there.
    const found = [...text.matchAll(/Serial Number \(hex\): ([0-9a-f]+)\n/g)].map(([, hex = ""]) => hex);
    const octets = meant().map(([serial]) => {
      const even = serial.length % 2 === 0 ? serial : `0${serial}`;
      return even >= "8" ? `00${even}` : even;
    });
    expect(found).toEqual(octets);
  });
});

/** What `openssl verify` says against each leaf; nothing of those it accepts. */
async function faults(bundle: string, ...flags: string[]): Promise<Map<string, string[]>> {
  const crls = server.workspace.file("crls.pem");
  writeFileSync(crls, bundle);
  const issuer = join(server.home, "certs/issuer.crt");
  const trust = ["-CAfile", server.root, "-untrusted", issuer, "-CRLfile", crls];
  const files = leaves.map(({ file }) => file);
  const { stdout, stderr } = await run("openssl", ["verify", "-crl_check_all", ...flags, ...trust, ...files]);
  const said = new Map([...stdout.matchAll(/^(.+): OK$/gm)].map(([, file = ""]) => [file, [] as string[]]));
  for (const part of stderr.split(/(?<=: verification failed\n)/)) {
    const file = /^error (.+): verification failed$/m.exec(part)?.[1] ?? "";
    said.set(
      file,
      [...part.matchAll(/depth lookup: (.+)$/gm)].map(([, why = ""]) => why),
    );
  }
  said.delete("");
  return said;
}

const wanted = (gone: (leaf: Leaf) => boolean): Map<string, string[]> =>
  new Map(
    leaves.map((leaf) => {
      const isOver = leaf.state === "expired" || leaf.state === "ended";
      // It looks for revocation first, and then no further.
      const said = gone(leaf) ? ["certificate revoked"] : isOver ? ["certificate has expired"] : [];
      return [leaf.file, said];
    }),
  );
const sorted = (faultsOf: Map<string, string[]>): [string, string[]][] =>
  [...faultsOf].map(([file, said]): [string, string[]] => [file, said.sort()]).sort();

describe("openssl verify refuses those, and no other", () => {
  test("with the full CRLs", async () => {
    expect(sorted(await faults(old))).toEqual(sorted(wanted(({ state }) => state === "resumed")));
    expect(sorted(await faults(full))).toEqual(sorted(wanted(isGone)));
  });

  test("with CRLs from before and the delta", async () => {
    const found = await faults(old + delta, "-extended_crl", "-use_deltas");
    expect(sorted(found)).toEqual(sorted(wanted(isGone)));
  });
});

test("openssl ocsp says of each what is on record, and of those next to them that they are unknown", async () => {
  const issuer = join(server.home, "certs/issuer.crt");
  const url = ["-url", `${server.public}/ocsp`, "-CAfile", server.root];
  const next = (serial: Serial): string => (BigInt(`0x${serial}`) + 0x1000n).toString(16);
  for (const hash of ["-sha1", "-sha256"]) {
    for (const state of states) {
      const each = of(state);
      const asked = each.flatMap(({ file, serial }) => [
        hash,
        "-cert",
        file,
        hash,
        "-serial",
        `0x${next(serial)}`,
      ]);
      const ran = await run("openssl", ["ocsp", "-issuer", issuer, ...asked, ...url]);
      expect(ran).toMatchObject({ code: 0, stderr: "Response verify OK\n" });
      const said = [...ran.stdout.matchAll(/^(\S+): (\w+)$/gm)].map(([, name, status]) => [name, status]);
      const status = each.some(isGone) ? "revoked" : "good";
      expect(said).toEqual(
        each.flatMap(({ file, serial }) => [
          [file, status],
          [`0x${next(serial)}`, "unknown"],
        ]),
      );
    }
  }
});

test("show finds it by its decimal number, and OpenSSL reads that number in the certificate", async () => {
  for (const { state, serial, file } of of("keyCompromise")) {
    const shown = await admin(server.home, "show", `dec:${BigInt(`0x${serial}`).toString()}`);
    expect(shown).toMatchObject({ serial, status: "revoked", reason: state });
    const printed = await runOk("openssl", ["x509", "-in", file, "-noout", "-serial"]);
    expect(parseSerial(printed.trim().replace("serial=", ""))).toBe(serial);
  }
});
