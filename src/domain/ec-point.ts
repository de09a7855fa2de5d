interface Curve {
  readonly fieldLength: number;
  readonly p: bigint;
  readonly b: bigint;
}

/** SP 800-186 §3.2.1.3 and §3.2.1.4: y² = x³ − 3x + b modulo p, of prime order. */
const curves: Readonly<Record<"ec-p256" | "ec-p384", Curve>> = {
  "ec-p256": {
    fieldLength: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  "ec-p384": {
    fieldLength: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
};

const UNCOMPRESSED = 0x04;

/**
 * Whether these octets are 0x04, x and y (SEC 1 §2.3.3), and the point is on the curve (SEC 1 §3.2.2.1). The curves'
 * orders are prime, so that such a point has that order. The point at infinity has no such encoding.
 */
export function isOnCurve(curve: "ec-p256" | "ec-p384", point: Uint8Array): boolean {
  const { fieldLength, p, b } = curves[curve];
  if (point[0] !== UNCOMPRESSED || point.length !== 1 + 2 * fieldLength) return false;
  const digits = Buffer.from(point.buffer, point.byteOffset, point.length).toString("hex");
  const x = BigInt(`0x${digits.slice(2, 2 + 2 * fieldLength)}`);
  const y = BigInt(`0x${digits.slice(2 + 2 * fieldLength)}`);
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n;
}
