import { createPublicKey, generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isOnCurve } from "../../src/domain/ec-point.ts";
import { bitString, oid, sequence } from "../../src/x509/der-writer.ts";

const curves = {
  "ec-p256": { namedCurve: "P-256", id: "1.2.840.10045.3.1.7", fieldLength: 32 },
  "ec-p384": { namedCurve: "P-384", id: "1.3.132.0.34", fieldLength: 48 },
} as const;
type Curve = keyof typeof curves;

/** A point that OpenSSL made, uncompressed. */
function point(curve: Curve): Buffer {
  const { namedCurve, fieldLength } = curves[curve];
  const { publicKey } = generateKeyPairSync("ec", { namedCurve });
  return publicKey.export({ format: "der", type: "spki" }).subarray(-1 - 2 * fieldLength);
}

function opensslTakes(curve: Curve, octets: Uint8Array): boolean {
  const algorithm = sequence(oid("1.2.840.10045.2.1"), oid(curves[curve].id));
  try {
    createPublicKey({ key: sequence(algorithm, bitString(octets)), format: "der", type: "spki" });
    return true;
  } catch {
    return false;
  }
}

function withFlippedBit(octets: Buffer, index: number, bit: number): Buffer {
  const flipped = Buffer.from(octets);
  flipped[index] = (flipped[index] ?? 0) ^ (1 << bit);
  return flipped;
}

/** p, and points with an x or a y so small that p more fits into the octets as well. */
const small = {
  "ec-p256": {
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    x: [0n, 0x66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4n],
    y: [0xd7325d7646cd60d80a92738ceb345f844cffaf35841022cab176f692de8de1d7n, 5n],
  },
  "ec-p384": {
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    x: [
      0n,
      0xc306610fb0ae5a159cf45c06069f22a6c5eb3641c602d42dea2c4b4f75550793406d80d2b91ad54f9048bd487af1ade1n,
    ],
    y: [
      0x2261b2bf605c22f2f3aef6338719b2c486388ad5240719a5257315969ef01ba27f0a104c89704773a81fdabee6ab5c78n,
      1n,
    ],
  },
} as const;

function written(curve: Curve, [x, y]: readonly [bigint, bigint]): Buffer {
  const digits = [x, y].map((value) => value.toString(16).padStart(2 * curves[curve].fieldLength, "0"));
  return Buffer.from(`04${digits.join("")}`, "hex");
}

describe.each(["ec-p256", "ec-p384"] as const)("a point for %s", (curve) => {
  const { fieldLength } = curves[curve];
  const { p, x, y } = small[curve];
  const good = point(curve);
  const other = point(curve === "ec-p256" ? "ec-p384" : "ec-p256");
  const [ofX, ofY] = [good.subarray(1, 1 + fieldLength), good.subarray(1 + fieldLength)];

  it.each<[string, Uint8Array]>([
    ["that OpenSSL made", good],
    ["that is its negative", written(curve, [number(ofX), p - number(ofY)])],
    ["with x = 0", written(curve, x)],
    [`with y = ${String(y[1])}`, written(curve, y)],
    ["within a larger buffer", Buffer.concat([Buffer.of(9), good, Buffer.of(9)]).subarray(1, -1)],
    ["in a plain Uint8Array", Uint8Array.from(good)],
  ])("%s is on the curve", (_name, octets) => {
    expect(isOnCurve(curve, octets)).toBe(true);
  });

  it.each<[string, Uint8Array]>([
    ["with another x", withFlippedBit(good, fieldLength, 0)],
    ["with another y", withFlippedBit(good, 2 * fieldLength, 0)],
    ["with x and y the other way round", Buffer.of(4, ...ofY, ...ofX)],
    ["whose x = 0 is written as p", written(curve, [p, x[1]])],
    [`whose y = ${String(y[1])} is written as p + ${String(y[1])}`, written(curve, [y[0], y[1] + p])],
    ["of zeros", written(curve, [0n, 0n])],
    ["of ones", Buffer.alloc(1 + 2 * fieldLength, 0xff).fill(4, 0, 1)],
    ["that is compressed", Buffer.of(2 + ((ofY.at(-1) ?? 0) % 2), ...ofX)],
    ["that is hybrid", Buffer.of(6 + ((ofY.at(-1) ?? 0) % 2), ...ofX, ...ofY)],
    ["that begins otherwise", Buffer.of(0, ...ofX, ...ofY)],
    ["one octet short", good.subarray(0, -1)],
    ["one octet long", Buffer.concat([good, Buffer.of(0)])],
    ["with its first octet alone", Buffer.of(4)],
    ["without octets", Buffer.alloc(0)],
    ["at infinity", Buffer.of(0)],
    ["from the other curve", other],
  ])("%s is not", (_name, octets) => {
    expect(isOnCurve(curve, octets)).toBe(false);
  });

  it("is taken and refused as OpenSSL does", () => {
    const flipped = (): Buffer => withFlippedBit(point(curve), randomInt(1, good.length), randomInt(8));
    const made: readonly (() => Buffer)[] = [
      () => point(curve),
      flipped,
      () => Buffer.concat([Buffer.of(4), randomBytes(2 * fieldLength)]),
      () => Buffer.concat([point(curve).subarray(0, -fieldLength), randomBytes(fieldLength)]),
      () => Buffer.concat([Buffer.of(4), Buffer.alloc(4, 0xff), randomBytes(2 * fieldLength - 4)]),
    ];
    let taken = 0;
    for (let round = 0; round < 100; round++) {
      for (const make of made) {
        const octets = make();
        const is = isOnCurve(curve, octets);
        expect([octets.toString("hex"), is]).toEqual([octets.toString("hex"), opensslTakes(curve, octets)]);
        if (is) taken++;
      }
    }
    expect(taken).toBe(100);
  });

  it("with one coordinate beyond p is refused by OpenSSL too", () => {
    expect(opensslTakes(curve, written(curve, x))).toBe(true);
    expect(opensslTakes(curve, written(curve, y))).toBe(true);
    expect(opensslTakes(curve, written(curve, [p, x[1]]))).toBe(false);
    expect(opensslTakes(curve, written(curve, [y[0], y[1] + p]))).toBe(false);
  });
});

function number(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets).toString("hex")}`);
}
