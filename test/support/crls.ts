import { expect } from "vitest";
import { parseSerial } from "../../src/domain/identifiers.ts";
import type { CrlEntry } from "../../src/domain/records.ts";
import { HOLD, REMOVED, type RevocationReason, revocationReasons } from "../../src/domain/revocation.ts";
import { x509 } from "../../src/x509/library.ts";
import { run } from "./run.ts";

/** What a CRL (DER) lists, as the library reads it. */
export function entriesIn(der: Uint8Array | undefined): CrlEntry[] {
  return new x509.X509Crl(Buffer.from(der ?? [])).entries.map((entry) => ({
    serial: parseSerial(entry.serialNumber),
    at: entry.revocationDate.getTime(),
    reason: entry.reason,
  }));
}

/** How OpenSSL calls the reasons of RFC 5280 §5.3.1. */
const names = [
  "Unspecified",
  "Key Compromise",
  "CA Compromise",
  "Affiliation Changed",
  "Superseded",
  "Cessation Of Operation",
  "Certificate Hold",
  "",
  "Remove From CRL",
  "Privilege Withdrawn",
  "AA Compromise",
];

export interface JudgedCrl {
  readonly number: number;
  /** A delta's. */
  readonly base: number | undefined;
  /** In their order; a serial exactly as it is printed, in lower case and without leading zeros. */
  readonly entries: readonly CrlEntry[];
}

/**
 * What `openssl crl` reads of a CRL (DER), of a hundred thousand entries as well.
 *
 * @param ca whoever must have signed it: a PEM file with its root
 */
export async function judgedCrl(der: Uint8Array | undefined, ca: string): Promise<JudgedCrl> {
  const args = ["crl", "-inform", "DER", "-CAfile", ca, "-noout", "-text"];
  const { code, stdout, stderr } = await run("openssl", args, { input: der ?? new Uint8Array() });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "verify OK\n" });
  const number = /CRL Number: \n +(\d+)\n/.exec(stdout)?.[1];
  const base = /Delta CRL Indicator: critical\n +(\d+)\n/.exec(stdout)?.[1];
  const each =
    /^ {4}Serial Number: (-?[0-9A-F]+)\n {8}Revocation Date: (.*)\n(?: {8}CRL entry extensions:\n((?: {12}.*\n)+))?/gm;
  const entries = [...stdout.matchAll(each)].map(([, serial = "", date = "", extensions = ""]) => {
    const name = /X509v3 CRL Reason Code: \n +(.*)\n/.exec(extensions)?.[1];
    return {
      serial: serial.toLowerCase().replace(/^0+(?=.)/, "") as CrlEntry["serial"],
      at: Date.parse(date),
      reason: name === undefined ? undefined : names.indexOf(name),
    };
  });
  expect(entries).toHaveLength(stdout.split("    Serial Number: ").length - 1);
  return { number: Number(number), base: base === undefined ? undefined : Number(base), entries };
}

/** Serial to what is said of it: when, in seconds, and why. */
export type Told = ReadonlyMap<string, string>;

const what = (at: number, reason = 0): string => `${String(Math.floor(at / 1000))} ${String(reason)}`;

export function byEntries(entries: readonly CrlEntry[]): Map<string, string> {
  return new Map(entries.map(({ serial, at, reason }) => [serial, what(at, reason)]));
}

/** What rows of `certificates` say by themselves, whatever becomes of their accounts. */
export function byRecords(rows: readonly Record<string, unknown>[]): Told {
  const ended = rows.filter(({ status }) => status !== "active");
  return new Map(
    ended.map(({ serial, status, status_at: at, reason }) => {
      const code = status === "suspended" ? HOLD : revocationReasons[reason as RevocationReason];
      return [String(serial), what(Number(at), code)];
    }),
  );
}

/** A full CRL with a later delta, as RFC 5280 §5.2.4 has a relying party put them together. */
export function combined(base: readonly CrlEntry[], delta: readonly CrlEntry[]): Told {
  const list = byEntries(base);
  for (const { serial, at, reason } of delta) {
    if (reason === REMOVED) list.delete(serial);
    else list.set(serial, what(at, reason));
  }
  return list;
}

/** One by one: to print a difference between tens of thousands takes minutes. */
export function expectSame(told: Told, wanted: Told): void {
  expect(told.size).toBe(wanted.size);
  const other = [...wanted].find(([serial, means]) => told.get(serial) !== means);
  expect(other && [other[0], told.get(other[0])]).toEqual(other);
}
