/** What y is modulo 2²⁵⁵ − 19, in every way that 255 bits can say it; least octet first, the sign bit clear. */
const smallOrderYs = new Set([
  `01${"00".repeat(31)}`, // order 1: the identity
  `ec${"ff".repeat(30)}7f`, // order 2: −1
  `00${"00".repeat(31)}`, // order 4: 0
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8: the other's negative
  `ed${"ff".repeat(30)}7f`, // order 4: 0 as p
  `ee${"ff".repeat(30)}7f`, // order 1: 1 as p + 1
]);

/**
 * Whether a public key (RFC 8032 §5.1.2, 32 octets) is a point of order 1, 2, 4 or 8, however it is encoded. Anybody
 * can sign with such a key: a proof of possession shows nothing. The sign bit is left out: −P has the order of P.
 */
export function isSmallOrder(point: Uint8Array): boolean {
  const y = Buffer.from(point);
  y[31] = (y[31] ?? 0) & 0x7f;
  return smallOrderYs.has(y.toString("hex"));
}

/** Whether y is below p = 2²⁵⁵ − 19: otherwise one point would have two encodings (RFC 8032 §5.1.3, step 1). */
export function isCanonical(point: Uint8Array): boolean {
  const [first = 0] = point;
  const last = (point[31] ?? 0) & 0x7f;
  return first < 0xed || last < 0x7f || point.subarray(1, 31).some((octet) => octet < 0xff);
}
