import { expect } from "vitest";
import type { Serial } from "../../../src/domain/identifiers.ts";
import type { CrlEntry, CrlRecord } from "../../../src/domain/records.ts";
import { HOLD, REMOVED } from "../../../src/domain/revocation.ts";
import type { Instant } from "../../../src/domain/time.ts";
import { CrlList } from "../../../src/x509/crl-list.ts";
import { DerReader, tags } from "../../../src/x509/der-reader.ts";
import { x509 } from "../../../src/x509/library.ts";
import { entriesIn } from "../crls.ts";
import type { TestIssuing } from "../issuing.ts";
import type { Line, Model } from "./model.ts";

/** Every CRL that was made, as others would have kept them. */
export class Lists {
  readonly #parts: TestIssuing;
  readonly #full: {
    readonly number: number;
    readonly nextUpdate: Instant;
    readonly list: Map<Serial, Line>;
  }[] = [];
  /** How often a delta was applied to an earlier CRL, and took something off it. */
  applied = 0;
  removed = 0;

  constructor(parts: TestIssuing) {
    this.#parts = parts;
  }

  /** Looks at a new one, which tells what the model says now. */
  async check(crl: CrlRecord, model: Model): Promise<void> {
    const { number, scheduled, base } = model.crls;
    const [full, delta] = [read(crl.der), read(crl.delta)];
    const floor = scheduled?.floor ?? 0;
    const told = new Map<Serial, Line>();
    const all = [...model.certificates, ...model.responders];
    for (const one of all) {
      const line = model.line(one);
      if (line && one.record.notAfter >= floor) told.set(one.record.serial, line);
    }
    const list = combined(new Map(), full.entries);
    expect(list, `CRL ${String(number)}`).toEqual(told);
    expect(full.entries).toHaveLength(told.size);
    expect([full.number, delta.number, delta.base]).toEqual([number, number, base?.number]);
    for (const earlier of this.#full) {
      if (earlier.nextUpdate <= delta.thisUpdate) continue;
      expect(earlier.number, "an earlier CRL, still valid").toBeGreaterThanOrEqual(delta.base ?? Infinity);
      const whole = combined(earlier.list, delta.entries);
      // What has expired may be on the old one still, but not as held: the delta takes that off.
      for (const { record } of all) {
        const isHeld = whole.get(record.serial)?.reason === HOLD;
        if (record.notAfter < floor && !isHeld) whole.delete(record.serial);
      }
      expect(whole, `CRL ${String(earlier.number)} with delta ${String(number)}`).toEqual(told);
      this.applied += 1;
    }
    this.removed += delta.entries.filter(({ reason }) => reason === REMOVED).length;
    this.#full.push({ number, nextUpdate: full.nextUpdate, list });
    await this.#checkOctets(crl, base?.floor ?? 0, floor);
    if (number % 4 === 1) await this.#checkSignatures(crl);
  }

  /** Octet for octet what a list is that was never changed. */
  async #checkOctets(crl: CrlRecord, baseFloor: Instant, floor: Instant): Promise<void> {
    const { database, issuer } = this.#parts;
    const fresh = new CrlList();
    for await (const page of database.certificates.crlPages(issuer.id, { floor: baseFloor })) fresh.put(page);
    fresh.expire(floor);
    expect(Buffer.from(crl.der).includes(Buffer.concat(fresh.full().parts))).toBe(true);
  }

  async #checkSignatures({ der, delta }: CrlRecord): Promise<void> {
    const { publicKey } = new x509.X509Certificate(Buffer.from(this.#parts.issuer.der));
    for (const octets of [der, delta ?? der]) {
      expect(await new x509.X509Crl(Buffer.from(octets)).verify({ publicKey })).toBe(true);
    }
  }
}

/** As RFC 5280 §5.2.4 has a relying party do it. */
function combined(base: ReadonlyMap<Serial, Line>, delta: readonly CrlEntry[]): Map<Serial, Line> {
  const list = new Map(base);
  for (const { serial, at, reason } of delta) {
    if (reason === REMOVED) list.delete(serial);
    else list.set(serial, { at, reason });
  }
  return list;
}

function read(der: Uint8Array | undefined) {
  const crl = new x509.X509Crl(Buffer.from(der ?? []));
  const integer = (id: string): number | undefined => {
    const found = crl.extensions.find(({ type }) => type === id);
    if (!found) return undefined;
    return Number(
      `0x${Buffer.from(new DerReader(Buffer.from(found.value)).read(tags.integer).contents).toString("hex")}`,
    );
  };
  return {
    entries: entriesIn(der),
    thisUpdate: crl.thisUpdate.getTime(),
    nextUpdate: crl.nextUpdate?.getTime() ?? 0,
    number: integer("2.5.29.20"),
    base: integer("2.5.29.27"),
  };
}
