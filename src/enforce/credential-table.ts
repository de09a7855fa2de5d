import type { Fingerprint, IssuerId, Serial } from "../domain/identifiers.ts";
import type { CallLimits } from "../domain/call-limits.ts";
import type { Scope } from "../domain/names.ts";
import type { CertificateStatus, CredentialRecord } from "../domain/records.ts";
import type { Instant } from "../domain/time.ts";

/** A record of a credential that belongs to an account. */
export type OwnedCredential = CredentialRecord & { readonly accountId: number };

/**
 * Credentials by fingerprint, in octets: a million take some 110 MB, and the garbage collector has nothing to walk through,
 * which with an object each would hold up every caller for a tenth of a second.
 */
export class CredentialTable {
  /** By the first octet of the fingerprint, so that no more than a part has to grow at a time. */
  readonly #shards = Array.from({ length: 256 }, () => new Shard());
  readonly #issuers = new Names<IssuerId, IssuerId>((issuer) => issuer);
  readonly #scopes = new Names<readonly Scope[] | undefined, string | undefined>((scopes) =>
    scopes?.join(" "),
  );
  /** Hardly any credential has its own. */
  readonly #limits = new Names<CallLimits | undefined, string | undefined>(
    (limits) => limits && JSON.stringify(limits),
  );

  get size(): number {
    return this.#shards.reduce((all, shard) => all + shard.count, 0);
  }

  get(fingerprint: Fingerprint): OwnedCredential | undefined {
    const shard = this.#shardOf(fingerprint);
    const row = shard.find(fingerprint);
    if (row === undefined) return undefined;
    const { bytes } = shard;
    const at = row * layout.row;
    return {
      fingerprint,
      issuerId: this.#issuers.name(bytes.readUInt32LE(at + layout.issuer)),
      serial: serialIn(bytes, at + layout.serial),
      accountId: bytes.readDoubleLE(at + layout.account),
      notBefore: bytes.readDoubleLE(at + layout.notBefore),
      notAfter: bytes.readDoubleLE(at + layout.notAfter),
      scopes: this.#scopes.name(bytes.readUInt32LE(at + layout.scopes)),
      limits: this.#limits.name(bytes.readUInt32LE(at + layout.limits)),
      status: statusOf(bytes[at + layout.status]),
    };
  }

  has(fingerprint: Fingerprint): boolean {
    return this.#shardOf(fingerprint).find(fingerprint) !== undefined;
  }

  /** Adds one, or replaces what was there. */
  set(record: OwnedCredential): void {
    const { fingerprint } = record;
    const shard = this.#shardOf(fingerprint);
    const at = (shard.find(fingerprint) ?? shard.add(fingerprint)) * layout.row;
    const { bytes } = shard;
    bytes.writeUInt32LE(this.#issuers.number(record.issuerId), at + layout.issuer);
    putSerial(bytes, at + layout.serial, record.serial);
    bytes.writeDoubleLE(record.accountId, at + layout.account);
    bytes.writeDoubleLE(record.notBefore, at + layout.notBefore);
    bytes.writeDoubleLE(record.notAfter, at + layout.notAfter);
    bytes.writeUInt32LE(this.#scopes.number(record.scopes), at + layout.scopes);
    bytes.writeUInt32LE(this.#limits.number(record.limits), at + layout.limits);
    bytes[at + layout.status] = statuses.indexOf(record.status);
  }

  /** Those that are revoked; a part at a time, between which others have their turn. */
  async *revoked(): AsyncIterable<Fingerprint> {
    for (const shard of this.#shards) {
      yield* shard.inStatus("revoked");
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Drops what ended before; a part at a time, between which others have their turn. */
  async prune(end: Instant): Promise<void> {
    for (const shard of this.#shards) {
      shard.prune(end);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #shardOf(fingerprint: Fingerprint): Shard {
    const shard = this.#shards[Number.parseInt(fingerprint.slice(0, 2), 16)];
    if (!shard) throw new TypeError("a fingerprint is lower-case hex");
    return shard;
  }
}

/** Where the fields of a row are. The serial is its length and at most 20 octets (RFC 5280 §4.1.2.2). */
const layout = {
  ...{ fingerprint: 0, notBefore: 32, notAfter: 40, account: 48, issuer: 56, scopes: 60, limits: 64 },
  ...{ status: 68, serial: 69, row: 90 },
} as const;
const SERIAL_OCTETS = layout.row - layout.serial - 1;

const statuses: readonly CertificateStatus[] = ["active", "suspended", "revoked"];

function statusOf(number: number | undefined): CertificateStatus {
  const status = statuses[number ?? -1];
  if (!status) throw new TypeError("no such status");
  return status;
}

function putSerial(bytes: Buffer, at: number, serial: Serial): void {
  const hex = serial.length % 2 === 1 ? `0${serial}` : serial;
  if (hex.length > SERIAL_OCTETS * 2) throw new RangeError("a serial has at most 20 octets");
  bytes[at] = bytes.write(hex, at + 1, "hex");
}

function serialIn(bytes: Buffer, at: number): Serial {
  const hex = bytes.toString("hex", at + 1, at + 1 + (bytes[at] ?? 0));
  return (hex.startsWith("0") && hex.length > 1 ? hex.slice(1) : hex) as Serial;
}

/** Few things that many have in common, by number. */
class Names<Name, Key> {
  readonly #keyOf: (name: Name) => Key;
  readonly #names: Name[] = [];
  readonly #numbers = new Map<Key, number>();

  constructor(keyOf: (name: Name) => Key) {
    this.#keyOf = keyOf;
  }

  number(name: Name): number {
    const key = this.#keyOf(name);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#names.push(name) - 1);
    return this.#names.length - 1;
  }

  name(number: number): Name {
    return this.#names[number] as Name;
  }
}

/** Rows, and slots in which their numbers are found: open addressing with linear probing. */
class Shard {
  bytes = Buffer.alloc(0);
  count = 0;
  /** Row numbers from one on; zero is free. Twice as many as rows, at least. */
  #slots = new Uint32Array(16);

  /** The row's number. */
  find(fingerprint: Fingerprint): number | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(fingerprint) & mask; ; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] ?? 0) - 1;
      if (row < 0) return undefined;
      if (this.#fingerprint(row) === fingerprint) return row;
    }
  }

  /** A row for one that is not there yet; returns its number. */
  add(fingerprint: Fingerprint): number {
    if (this.bytes.length < (this.count + 1) * layout.row) this.#reserve(Math.ceil(this.count * 1.3) + 4);
    if (this.#slots.length < (this.count + 1) * 2) this.#index(this.#slots.length * 2);
    const row = this.count++;
    this.bytes.write(fingerprint, row * layout.row, "hex");
    this.#enter(row, fingerprint);
    return row;
  }

  *inStatus(status: CertificateStatus): Iterable<Fingerprint> {
    const wanted = statuses.indexOf(status);
    for (let row = 0; row < this.count; row += 1) {
      if (this.bytes[row * layout.row + layout.status] === wanted) yield this.#fingerprint(row);
    }
  }

  prune(end: Instant): void {
    const ended = (row: number): boolean => this.bytes.readDoubleLE(row * layout.row + layout.notAfter) < end;
    let kept = 0;
    for (let row = 0; row < this.count; row += 1) {
      if (ended(row)) continue;
      if (kept < row) this.bytes.copyWithin(kept * layout.row, row * layout.row, (row + 1) * layout.row);
      kept += 1;
    }
    if (kept === this.count) return;
    this.count = kept;
    this.#reserve(kept);
    let slots = 16;
    while (slots < kept * 2) slots *= 2;
    this.#index(slots);
  }

  #reserve(rows: number): void {
    const bytes = Buffer.allocUnsafeSlow(rows * layout.row);
    this.bytes.copy(bytes, 0, 0, this.count * layout.row);
    this.bytes = bytes;
  }

  #index(slots: number): void {
    this.#slots = new Uint32Array(slots);
    for (let row = 0; row < this.count; row += 1) this.#enter(row, this.#fingerprint(row));
  }

  #enter(row: number, fingerprint: Fingerprint): void {
    const mask = this.#slots.length - 1;
    let slot = hashOf(fingerprint) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }

  #fingerprint(row: number): Fingerprint {
    const at = row * layout.row + layout.fingerprint;
    return this.bytes.toString("hex", at, at + 32) as Fingerprint;
  }
}

/** A part of SHA-256 is as good as any hash: nobody chooses it, for the CA chooses the serial. */
function hashOf(fingerprint: Fingerprint): number {
  return Number.parseInt(fingerprint.slice(2, 10), 16);
}
