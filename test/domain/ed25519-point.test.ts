import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isCanonical, isSmallOrder } from "../../src/domain/ed25519-point.ts";
import { smallOrderKey, smallOrderPoints } from "../support/offending-keys.ts";

// The curve of RFC 8032 §5.1, −x² + y² = 1 + d·x²·y² modulo p, so that no list of points has to be believed.
const p = 2n ** 255n - 19n;
const order = 2n ** 252n + 27742317777372353535851937790883648493n;
const modulo = (n: bigint): bigint => ((n % p) + p) % p;
const inverse = (n: bigint): bigint => power(n, p - 2n);
const d = modulo(-121665n * inverse(121666n));

type Point = readonly [x: bigint, y: bigint];
const identity: Point = [0n, 1n];

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = modulo(result * result);
    if (bit === "1") result = modulo(result * base);
  }
  return result;
}

function add([x1, y1]: Point, [x2, y2]: Point): Point {
  const t = modulo(d * x1 * x2 * y1 * y2);
  return [
    modulo((x1 * y2 + x2 * y1) * inverse(1n + t)),
    modulo((y1 * y2 + x1 * x2) * inverse(modulo(1n - t))),
  ];
}

function multiply(scalar: bigint, point: Point): Point {
  let result = identity;
  for (const bit of scalar.toString(2)) {
    result = add(result, result);
    if (bit === "1") result = add(result, point);
  }
  return result;
}

/** The point with this y and an even or odd x (RFC 8032 §5.1.3), if there is one. */
function pointAt(y: bigint, isOdd = false): Point | undefined {
  const square = modulo((y * y - 1n) * inverse(modulo(d * y * y + 1n)));
  const root = power(square, (p + 3n) / 8n);
  const x = [root, modulo(root * power(2n, (p - 1n) / 4n))].find((x) => modulo(x * x) === square);
  if (x === undefined) return undefined;
  return [(x % 2n === 1n) === isOdd ? x : modulo(-x), modulo(y)];
}

/** 255 bits of y, least octet first, and a sign bit; y may be p and more. */
function encoded(y: bigint, sign: number): Buffer {
  const octets = Buffer.from(y.toString(16).padStart(64, "0"), "hex").reverse();
  return octets.fill((octets[31] ?? 0) | (sign << 7), 31);
}

function decoded(octets: Uint8Array): Point {
  const value = littleEndian(octets);
  const point = pointAt(value % 2n ** 255n, value >= 2n ** 255n);
  if (!point) throw new Error("not on the curve");
  return point;
}

function littleEndian(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets).reverse().toString("hex")}`);
}

function publicKey(): Buffer {
  return generateKeyPairSync("ed25519").publicKey.export({ format: "der", type: "spki" }).subarray(-32);
}

/** The points whose eightfold is the identity: what is left of any point after multiplying by the prime order. */
function smallSubgroup(): Point[] {
  const found = new Map<string, Point>();
  for (let y = 2n; found.size < 8; y++) {
    const point = pointAt(y);
    if (!point) continue;
    const left = multiply(order, point);
    for (let multiple = 0n; multiple < 8n; multiple++) {
      const next = multiply(multiple, left);
      found.set(next.join(), next);
    }
  }
  return [...found.values()];
}

const subgroup = smallSubgroup();
const encodings = [...new Set(subgroup.map(([, y]) => y))]
  .flatMap((y) => [y, y + p].filter((value) => value < 2n ** 255n))
  .flatMap((y) => [encoded(y, 0), encoded(y, 1)]);
const hex = (octets: readonly Uint8Array[]): string[] =>
  octets.map((o) => Buffer.from(o).toString("hex")).sort();

describe("Ed25519's points of small order", () => {
  it("are eight: of order 1, 2, 4, 4, 8, 8, 8, 8", () => {
    const orders = subgroup.map((point) =>
      [1n, 2n, 4n, 8n].find((n) => multiply(n, point).join() === identity.join()),
    );
    expect(orders.sort()).toEqual([1n, 2n, 4n, 4n, 8n, 8n, 8n, 8n]);
  });

  it("have fourteen encodings, which the tests' keys are", () => {
    expect(hex(encodings)).toHaveLength(14);
    expect(hex(smallOrderPoints)).toEqual(hex(encodings));
  });

  it.each(hex(encodings))("%s is one", (octets) => {
    expect(isSmallOrder(Buffer.from(octets, "hex"))).toBe(true);
    expect(isSmallOrder(Uint8Array.from(Buffer.from(octets, "hex")))).toBe(true);
  });

  it.each(hex(encodings))("%s: anybody can sign with it (RFC 8032 §5.1.7)", (octets) => {
    const [key, data] = [Buffer.from(octets, "hex"), Buffer.from("data")];
    const signature = smallOrderKey(key).sign(data);
    const [r, s] = [signature.subarray(0, 32), littleEndian(signature.subarray(32))];
    const digest = createHash("sha512")
      .update(Buffer.concat([r, key, data]))
      .digest();
    const base = pointAt(4n * inverse(5n)) ?? identity;
    expect(s < order).toBe(true);
    expect(multiply(s, base)).toEqual(add(decoded(r), multiply(littleEndian(digest) % order, decoded(key))));
  });

  it("are not those next to them", () => {
    const close = new Set(encodings.map((octets) => littleEndian(octets)));
    for (const value of close) {
      for (const next of [value - 1n, value + 1n]) {
        if (next < 0n || next >= 2n ** 256n || close.has(next)) continue;
        const octets = Buffer.from(next.toString(16).padStart(64, "0"), "hex").reverse();
        expect([octets.toString("hex"), isSmallOrder(octets)]).toEqual([octets.toString("hex"), false]);
      }
    }
  });

  it("are not made by Node, nor by adding one to such a key", () => {
    for (let round = 0; round < 200; round++) expect(isSmallOrder(publicKey())).toBe(false);
    for (const point of subgroup) {
      const [x, y] = add(decoded(publicKey()), point);
      expect(isSmallOrder(encoded(y, Number(x % 2n)))).toBe(false);
    }
  });

  it.each([0, 31, 33])("are not %i octets", (length) => {
    expect(isSmallOrder(Buffer.alloc(length))).toBe(false);
  });

  it("are left as they came", () => {
    const octets = encoded(1n, 1);
    isSmallOrder(octets);
    expect(octets).toEqual(encoded(1n, 1));
  });
});

describe("a canonical Ed25519 key", () => {
  it.each([0, 1])("has a y below p, with the sign bit %i", (sign) => {
    const lessInOneOctet = Array.from({ length: 32 }, (_, i) => p - 2n ** BigInt(8 * i));
    for (const y of [0n, 1n, 0xffn, 2n ** 247n - 1n, ...lessInOneOctet]) {
      expect([y, isCanonical(encoded(y, sign))]).toEqual([y, true]);
    }
  });

  it.each([0, 1])("has no y from p to 2²⁵⁵ − 1, with the sign bit %i", (sign) => {
    for (let y = p; y < 2n ** 255n; y++) expect([y, isCanonical(encoded(y, sign))]).toEqual([y, false]);
  });

  it("is what Node makes", () => {
    for (let round = 0; round < 200; round++) expect(isCanonical(publicKey())).toBe(true);
  });
});
