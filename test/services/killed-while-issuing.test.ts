import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { KeyPair } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  type TestIssuing,
  enrolRecord,
  freshAccount,
  freshSlug,
  freshToken,
  makeCsr,
  makeIssuer,
  makeIssuing,
  recordIssuer,
} from "../support/issuing.ts";
import type { LogEntry, Orders } from "../support/killed-issuing.ts";
import { projectRoot, run } from "../support/run.ts";
import { allSteps } from "../support/steps.ts";
import { testWorkspace } from "../support/workspace.ts";

const [EARLY, CROWD] = [5, 24];
/** The fifteenth time that a step is reached lies in the crowd. */
const FATAL = 15;
const program = join(projectRoot, "test/support/killed-issuing.ts");

interface Client {
  readonly token: string;
  readonly id: string;
  readonly csr: Buffer;
}

/** Has another process do that until it kills itself; returns what it signed (serials) and answered (DER, in hex). */
async function killed(orders: Omit<Orders, "log">): Promise<{ signed: string[]; answered: string[] }> {
  const workspace = await testWorkspace();
  const [file, log] = [workspace.file("orders.json"), workspace.file("log")];
  writeFileSync(log, "");
  writeFileSync(file, JSON.stringify({ ...orders, log }));
  expect(await run(process.execPath, [program, file])).toEqual({ code: null, stdout: "", stderr: "" });
  const lines = readFileSync(log, "utf8").split("\n").filter(Boolean);
  const entries = lines.map((line) => JSON.parse(line) as LogEntry);
  return {
    signed: entries.flatMap((entry) => ("signed" in entry ? entry.signed : [])),
    answered: entries.flatMap((entry) => ("answered" in entry ? entry.answered : [])),
  };
}

onEachDatabase("a process that is killed while it issues", (db) => {
  let parts: TestIssuing;
  let pair: KeyPair;
  beforeAll(async () => {
    pair = await makeKeyPair("ec-p256");
    const issuer = await makeIssuer("Killed CA", pair);
    await recordIssuer(db.database, issuer, "issuing", freshSlug("issuer"));
    const issuers = { signing: () => issuer, certificate: () => issuer.der };
    parts = { ...(await makeIssuing(db.database)), issuer, issuers };
  });

  const textsOf = async (column: string, table: string, accountId: number): Promise<string[]> => {
    const rows = await db.query(
      `SELECT ${column} AS one FROM ${table} WHERE account_id = ${String(accountId)}`,
    );
    return rows.map(({ one }) => (Buffer.isBuffer(one) ? one.toString("hex") : String(one)));
  };

  test.each(allSteps)(
    "at '%s' has signed nothing that was not on record, and loses nothing",
    async (step) => {
      const account = await freshAccount(parts);
      const newClient = async (): Promise<Client> => ({
        ...(await freshToken(parts, account)),
        csr: await makeCsr(),
      });
      const early = await Promise.all(Array.from({ length: EARLY }, newClient));
      const crowd = await Promise.all(Array.from({ length: CROWD }, newClient));
      const untouched = await newClient();
      const rivals = await Promise.all(
        crowd
          .filter((_, index) => index % 2 === 0)
          .map(async (client) => ({ ...client, csr: await makeCsr() })),
      );
      const groups = [early, [...crowd, ...rivals]].map((group) =>
        group.map(({ token, csr }) => ({ token, csr: csr.toString("base64") })),
      );
      const { signed, answered } = await killed({
        ...{ location: db.location, now: parts.clock.now(), step, nth: FATAL, groups },
        issuer: {
          der: Buffer.from(parts.issuer.der).toString("base64"),
          key: pair.privateKey.export({ format: "pem", type: "pkcs8" }),
        },
      });

      expect(signed.length).toBeGreaterThanOrEqual(EARLY);
      expect(new Set(signed).size).toBe(signed.length);
      const intended = await textsOf("serial", "intents", account.id);
      expect(signed.filter((serial) => !intended.includes(serial))).toEqual([]);
      expect(
        (await textsOf("serial", "certificates", account.id)).filter((serial) => !signed.includes(serial)),
      ).toEqual([]);
      expect(answered.length).toBeGreaterThanOrEqual(EARLY);
      const certificates = await textsOf("der", "certificates", account.id);
      expect(answered.filter((der) => !certificates.includes(der))).toEqual([]);

      // Asked again, by another process: what was bound stays bound, and the rival is told that it lost.
      const all = [...early, ...crowd, untouched, ...rivals];
      const before = new Map(
        (await db.database.tokens.byIds(all.map(({ id }) => id))).map((token) => [token.id, token]),
      );
      const outcomes = await Promise.allSettled(all.map((client) => enrolRecord(parts, client)));
      for (const [index, { id, csr }] of all.entries()) {
        const [was, is] = [before.get(id), await db.database.tokens.byId(id)];
        const outcome = outcomes[index];
        expect(is?.csrHash).toBe(was?.csrHash ?? is?.csrHash);
        expect(is?.fingerprint).toBe(was?.fingerprint ?? is?.fingerprint);
        if (is?.csrHash === hashOf(csr)) {
          expect(outcome).toMatchObject({ status: "fulfilled", value: { fingerprint: is.fingerprint } });
        } else {
          expect(outcome).toMatchObject({ status: "rejected", reason: { code: "TOKEN_USED" } });
        }
      }
      const issued = await textsOf("fingerprint", "certificates", account.id);
      expect(new Set(issued).size).toBe(EARLY + CROWD + 1);
      expect(issued).toHaveLength(EARLY + CROWD + 1);
    },
  );
});

/** SHA-256 of a CSR's DER, given in PEM. */
function hashOf(pem: Buffer): string {
  const der = Buffer.from(pem.toString("latin1").replace(/-----[^-]+-----/g, ""), "base64");
  return createHash("sha256").update(der).digest("hex");
}
