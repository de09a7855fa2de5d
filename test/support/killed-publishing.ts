import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Database, Stores } from "../../src/domain/ports.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { CrlMaker } from "../../src/services/crl-maker.ts";
import { type DatabaseLocation, openDatabase } from "../../src/storage/database.ts";
import { issuerFrom } from "../../src/x509/codec.ts";
import { crlBuilder } from "../../src/x509/crl-builder.ts";

// A program: publishes the next CRL, a large one, takes away the pieces of the one before, and kills itself at a point of
// that.
//
//   node killed-publishing.ts ORDERS.json

/** What it is to do; bytes in base64. */
export interface PublishOrders {
  readonly location: DatabaseLocation;
  readonly issuer: { readonly der: string; readonly key: string };
  readonly now: number;
  readonly point: Point;
}

/** Calls of the store, counted: when one is done, and when its transaction is. */
export const points = [
  "signed",
  "stage 1",
  "stage 1 committed",
  "stage 2",
  "stage 2 committed",
  "replace 1",
  "replace 1 committed",
  "unstage 1",
  "unstage 1 committed",
  "unstage 2 committed",
] as const;
export type Point = (typeof points)[number];

/** A CRL that says where its delta is has more than 256 KiB then, without a hundred thousand entries: two pieces. */
export const longUrl = `http://127.0.0.1/${"x".repeat((1 << 18) + (1 << 16))}`;

const watched = ["stage", "replace", "unstage"] as const;

/** A database that tells of each of these calls when it is done, and again when it is committed. */
function telling(database: Database, tell: (point: string) => void): Database {
  const counts = { stage: 0, replace: 0, unstage: 0 };
  return {
    ...database,
    async transaction(work) {
      let last: string | undefined;
      const within = (stores: Stores): Stores => {
        const crls = { ...stores.crls };
        for (const name of watched) {
          const call = crls[name].bind(crls) as (...args: unknown[]) => Promise<never>;
          crls[name] = async (...args: unknown[]) => {
            const result = await call(...args);
            last = `${name} ${String(++counts[name])}`;
            tell(last);
            return result;
          };
        }
        return { ...stores, crls };
      };
      const result = await database.transaction((stores) => work(within(stores)));
      if (last !== undefined) tell(`${last} committed`);
      return result;
    },
  };
}

if (import.meta.main) {
  const {
    location,
    issuer: ca,
    now,
    point,
  } = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as PublishOrders;
  const tell = (reached: string): void => {
    if (reached === point) process.kill(process.pid, "SIGKILL");
  };
  const issuer = issuerFrom(Buffer.from(ca.der, "base64"), memorySigner(createPrivateKey(ca.key)));
  const database = await openDatabase(location);
  const maker = new CrlMaker({
    database: telling(database, tell),
    publicUrl: longUrl,
    newCrlBuilder: () => {
      const builder = crlBuilder(false);
      return {
        ...builder,
        async sign(...args) {
          const crls = await builder.sign(...args);
          tell("signed");
          return crls;
        },
      };
    },
  });
  await maker.publish({ clock: { now: () => now }, actor: "test" }, issuer);
  await maker.tidy(issuer.id);
  await maker.close();
  await database.close();
}
