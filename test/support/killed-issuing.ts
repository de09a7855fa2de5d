import { createPrivateKey, randomBytes } from "node:crypto";
import { fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { loadProfiles } from "../../src/home/profiles.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { TokenDesk } from "../../src/services/issue/authenticate.ts";
import { enrol } from "../../src/services/issue/enrol.ts";
import { Ledger } from "../../src/services/issue/ledger.ts";
import type { Step } from "../../src/services/issue/parts.ts";
import { type DatabaseLocation, openDatabase } from "../../src/storage/database.ts";
import { codec, issuerFrom } from "../../src/x509/codec.ts";
import { serialIn } from "./signing-log.ts";

// A program: enrols many at once on a database, and kills itself when a step is reached for the nth time. What it signs
// is in the log, on the disk, before anybody is given the signature; and so is what it answers.
//
//   node killed-issuing.ts ORDERS.json

/** What it is to do; bytes in base64. */
export interface Orders {
  readonly location: DatabaseLocation;
  readonly issuer: { readonly der: string; readonly key: string };
  readonly now: number;
  readonly step: Step;
  readonly nth: number;
  /** Enrolled one group after the other, each group's at once. */
  readonly groups: readonly (readonly { readonly token: string; readonly csr: string }[])[];
  readonly log: string;
}

/** A line of the log. */
export type LogEntry = { readonly signed: string } | { readonly answered: string };

const orders = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Orders;
const file = openSync(orders.log, "a");
function note(entry: LogEntry): void {
  writeSync(file, `${JSON.stringify(entry)}\n`);
  fsyncSync(file);
}

const signer = memorySigner(createPrivateKey(orders.issuer.key));
const issuer = issuerFrom(Buffer.from(orders.issuer.der, "base64"), {
  ...signer,
  async sign(data) {
    const signature = await signer.sign(data);
    note({ signed: serialIn(data) });
    return signature;
  },
});
const profiles = loadProfiles(join(import.meta.dirname, "../../ca/profiles"));
const database = await openDatabase(orders.location);
const clock = { now: () => orders.now };
let count = 0;
const parts = {
  ...{ database, codec, clock },
  ledger: new Ledger(database, clock),
  desk: new TokenDesk(database, clock),
  issuers: { signing: () => issuer, certificate: () => issuer.der },
  profiles: () => profiles,
  randomBytes: (octets: number) => randomBytes(octets),
  trustDomain: "test.internal",
  publicUrl: "http://127.0.0.1:8080",
  onStep: (step: Step) => {
    if (step === orders.step && ++count === orders.nth) process.kill(process.pid, "SIGKILL");
  },
};

for (const group of orders.groups) {
  const enrolling = group.map(async ({ token, csr }) => {
    const { record } = await enrol(parts, { token, csr: Buffer.from(csr, "base64") });
    note({ answered: Buffer.from(record.der).toString("hex") });
  });
  await Promise.allSettled(enrolling);
}
await database.close();
