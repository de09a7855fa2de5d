import {
  type KeyObject,
  checkPrimeSync,
  createHash,
  generateKeyPairSync,
  generatePrimeSync,
  randomBytes,
  sign,
} from "node:crypto";
import { bitString, element, integer, nothing, oid, sequence } from "../../src/x509/der-writer.ts";
import { attributes, commonName, ecdsaWithSha256 } from "./fixtures-csr.ts";

/** A key that some rule of the key policy is about, made afresh, and a way to sign with it. */
export interface OffendingKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  /** The signature's AlgorithmIdentifier, DER. */
  readonly algorithm: Buffer;
  /** Right by that key; where nobody can have its private key, by another. */
  readonly sign: (data: Uint8Array) => Buffer;
}

export interface RsaKey extends OffendingKey {
  readonly modulus: bigint;
}

/** Data that this key cannot sign; it may be able to sign other data. */
class Unsignable extends Error {}

/** A CSR (DER) for that key, signed by it. */
export function csrSignedBy({ spki, algorithm, sign }: OffendingKey): Buffer {
  for (let attempt = 0; ; attempt++) {
    const info = sequence(integer(0), sequence(commonName(`me ${String(attempt)}`)), spki, attributes());
    try {
      return sequence(info, algorithm, bitString(sign(info)));
    } catch (error) {
      if (!(error instanceof Unsignable)) throw error;
    }
  }
}

/** RSA keys: the first three break no rule. OpenSSL would not make most of them, so BigInt signs for all. */
export const rsaKeys = {
  good: () => rsaKey([prime(1024), prime(1024)]),
  threePrimes: () => rsaKey(completed(2048, prime(683), prime(683))),
  factor1009: () => rsaKey(completed(2048, 1009n, prime(1024))),
  bits1024: () => rsaKey([prime(512), prime(512)]),
  bits2047: () => rsaKey(completed(2047, prime(1024))),
  bits2056: () => rsaKey([prime(1028), prime(1028)]),
  exponent3: () => rsaKey([prime(1024, 2n, 3n), prime(1024, 2n, 3n)], { exponent: 3n }),
  exponent65539: () => rsaKey([prime(1024), prime(1024)], { exponent: 65_539n }),
  /** Primes of the form 4k + 3, as in Rabin's cryptosystem: a quarter of all data can be signed. */
  evenExponent: () => rsaKey([prime(1024, 3n, 4n), prime(1024, 3n, 4n)], { exponent: 65_536n }),
  factor3: () => rsaKey(completed(2048, 3n, prime(1024))),
  factor751: () => rsaKey(completed(2048, 751n, prime(1024))),
  factor997: () => rsaKey(completed(2048, 997n, prime(1024))),
  evenModulus: () => rsaKey(completed(2048, 2n, prime(1024))),
  /** The INTEGER has no sign octet: DER says that it is negative. */
  negativeModulus: () => rsaKey([prime(1024), prime(1024)], { negative: true }),
  closePrimes: () => rsaKey(primesFoundAfter(1)),
  /** The last of a hundred rounds of Fermat's method finds them, or what would be the next. */
  closePrimesJustWithin: () => rsaKey(primesFoundAfter(99_999)),
  closePrimesJustBeyond: () => rsaKey(primesFoundAfter(100_001)),
  roca: () => rsaKey(rocaPrimes()),
} satisfies Record<string, () => RsaKey>;

const rsaWithSha256 = sequence(oid("1.2.840.113549.1.1.11"), nothing());

function rsaKey(factors: readonly bigint[], { exponent = 65_537n, negative = false } = {}): RsaKey {
  const modulus = factors.reduce((product, factor) => product * factor);
  const order = factors.map((factor) => factor - 1n).reduce((a, b) => (a * b) / gcd(a, b));
  // With an even exponent only squares can be signed; for primes of the form 4k + 3 their order is half, and odd.
  const inverse = inverseOf(exponent, exponent % 2n === 0n ? order / 2n : order);
  const hex = modulus.toString(16);
  const field = negative ? element(0x02, Buffer.from(hex, "hex")) : integer(hex);
  return {
    modulus,
    spki: sequence(
      sequence(oid("1.2.840.113549.1.1.1"), nothing()),
      bitString(sequence(field, integer(exponent.toString(16)))),
    ),
    algorithm: rsaWithSha256,
    sign: (data) => {
      const length = Math.ceil(hex.length / 2);
      const message = encoded(data, length);
      const signature = power(message, inverse, modulus);
      if (power(signature, exponent, modulus) !== message)
        throw new Unsignable("not a power of that exponent");
      return Buffer.from(signature.toString(16).padStart(2 * length, "0"), "hex");
    },
  };
}

/** EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §9.2). */
function encoded(data: Uint8Array, length: number): bigint {
  const digest = createHash("sha256").update(data).digest("hex");
  const end = `003031300d060960864801650304020105000420${digest}`;
  return BigInt(`0x0001${"ff".repeat(length - 2 - end.length / 2)}${end}`);
}

/** A prime with its two high bits set, so that two of them make a modulus of twice the size. */
function prime(bits: number, rest?: bigint, modulo = 1n): bigint {
  for (;;) {
    const found = generatePrimeSync(bits, { bigint: true });
    if (isUsable(found) && (rest === undefined || found % modulo === rest)) return found;
  }
}

/** Not one more than a multiple of the exponent, which would leave no private exponent. */
const isUsable = (prime: bigint): boolean => prime % 65_537n !== 1n && prime % 65_539n !== 1n;

function nextPrime(from: bigint): bigint {
  let candidate = from | 1n;
  while (!isUsable(candidate) || !checkPrimeSync(candidate)) candidate += 2n;
  return candidate;
}

/** These factors, and a prime that makes their product so many bits long. */
function completed(bits: number, ...factors: readonly bigint[]): bigint[] {
  const least = 2n ** BigInt(bits - 1);
  const product = factors.reduce((a, b) => a * b);
  return [...factors, nextPrime((least + random(least / 2n)) / product)];
}

/** Primes of 1024 bits whose mean is so many thousandths above √n: d²/(8√n), for primes at a distance d. */
export function primesFoundAfter(thousandths: number): bigint[] {
  const widest = BigInt(Math.floor(Math.sqrt((8 * thousandths) / 1000) * 2 ** 32)) << 480n;
  const distance = widest - random(widest >> 4n);
  const least = nextPrime((distance * distance * 1000n) / BigInt(8 * thousandths) - distance / 2n);
  return [least, nextPrime(least + distance)];
}

/** Primes as Infineon's RSALib made them for 2048 bits (Nemec et al. 2017, §2.1): k·M + (65537^a mod M). */
function rocaPrimes(): bigint[] {
  const firstPrimes: bigint[] = [];
  for (let n = 2n; firstPrimes.length < 126; n++) if (checkPrimeSync(n)) firstPrimes.push(n);
  const m = firstPrimes.reduce((a, b) => a * b);
  const most = 2n ** 1024n / m;
  return [0, 1].map(() => {
    const rest = power(65_537n, random(2n ** 254n), m);
    for (;;) {
      const candidate = (most - 1n - random(most / 4n)) * m + rest;
      if (isUsable(candidate) && checkPrimeSync(candidate)) return candidate;
    }
  });
}

function random(below: bigint): bigint {
  return BigInt(`0x${randomBytes(below.toString(16).length).toString("hex")}`) % below;
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === "1") result = (result * base) % modulus;
  }
  return result;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function inverseOf(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  if (a !== 1n) throw new RangeError("no inverse");
  return ((x % modulus) + modulus) % modulus;
}

/** EC keys that OpenSSL makes in a way that is not taken here, and P-256 keys of which only the point is odd. */
export const ecKeys = {
  secp256k1: () => ecKey({ namedCurve: "secp256k1" }),
  p521: () => ecKey({ namedCurve: "P-521" }),
  explicitParameters: () => ecKey({ namedCurve: "P-256", paramEncoding: "explicit" }),
  compressed: () => ecKey({}, (x, y) => [2 + parity(y), ...x]),
  hybrid: () => ecKey({}, (x, y) => [6 + parity(y), ...x, ...y]),
  infinity: () => ecKey({}, () => [0]),
  offCurve: () => ecKey({}, (x, y) => [4, ...x, ...y.subarray(0, -1), (y.at(-1) ?? 0) ^ 1]),
  /** x = 0 and y = 5 as p and p + 5: on the curve, were it not for the size. */
  xIsP: () => ecKey({}, () => Buffer.from(`04${p256Field}${p256YWhereXIs0}`, "hex")),
  yAboveP: () => ecKey({}, () => Buffer.from(`04${p256XWhereYIs5}${p256FieldAnd5}`, "hex")),
} satisfies Record<string, () => OffendingKey>;

const p256Field = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const p256FieldAnd5 = "ffffffff00000001000000000000000000000001000000000000000000000004";
const p256YWhereXIs0 = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4";
const p256XWhereYIs5 = "d7325d7646cd60d80a92738ceb345f844cffaf35841022cab176f692de8de1d7";

const parity = (y: Uint8Array): number => (y.at(-1) ?? 0) % 2;

function ecKey(
  options: { readonly namedCurve?: string; readonly paramEncoding?: "explicit" | "named" },
  writePoint?: (x: Uint8Array, y: Uint8Array) => Iterable<number>,
): OffendingKey {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256", ...options });
  const made = spkiOf(pair.publicKey);
  const curve = sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7"));
  const point = writePoint?.(made.subarray(-64, -32), made.subarray(-32));
  const spki = point ? sequence(curve, bitString(Buffer.from([...point]))) : made;
  return { spki, algorithm: ecdsaWithSha256, sign: (data) => sign("sha256", data, pair.privateKey) };
}

const ed25519 = sequence(oid("1.3.101.112"));

/** Ed25519 keys of another length, and one whose y is p + 3. */
export const ed25519Keys = {
  octets31: () => ed25519Key((key) => key.subarray(0, 31)),
  octets33: () => ed25519Key((key) => Buffer.concat([key, Buffer.of(0)])),
  notCanonical: () => ed25519Key(() => Buffer.from(`f0${"ff".repeat(30)}7f`, "hex")),
} satisfies Record<string, () => OffendingKey>;

function ed25519Key(change: (key: Buffer) => Uint8Array): OffendingKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const spki = sequence(ed25519, bitString(change(spkiOf(publicKey).subarray(-32))));
  return { spki, algorithm: ed25519, sign: (data) => sign(null, data, privateKey) };
}

/** The points of order 1, 2, 4 and 8 in every encoding: seven values of y, least octet first, and both sign bits. */
export const smallOrderPoints: readonly Buffer[] = [
  `01${"00".repeat(31)}`,
  `ec${"ff".repeat(30)}7f`,
  "00".repeat(32),
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
].flatMap((y) => [Buffer.from(y, "hex"), Buffer.from(y, "hex").fill(parseInt(y.slice(-2), 16) | 0x80, 31)]);

/** A key that has no private key, and needs none: anybody signs with it. */
export function smallOrderKey(point: Uint8Array): OffendingKey {
  return {
    spki: sequence(ed25519, bitString(point)),
    algorithm: ed25519,
    sign: (data) => forged(point, data),
  };
}

/** RFC 8032 §5.1.7 wants S·B = R + k·A, k a hash. When k is a multiple of A's order, R = S·B will do for any S. */
function forged(point: Uint8Array, data: Uint8Array): Buffer {
  for (;;) {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const r = spkiOf(publicKey).subarray(-32);
    if ((littleEndian(sha512(r, point, data)) % ed25519Order) % 8n !== 0n) continue;
    const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
    const clamped = ((littleEndian(sha512(seed).subarray(0, 32)) % 2n ** 254n) | (2n ** 254n)) & ~7n; // §5.1.5
    const s = Buffer.from((clamped % ed25519Order).toString(16).padStart(64, "0"), "hex").reverse();
    return Buffer.concat([r, s]);
  }
}

const ed25519Order = 2n ** 252n + 27742317777372353535851937790883648493n;

function sha512(...parts: readonly Uint8Array[]): Buffer {
  return createHash("sha512").update(Buffer.concat(parts)).digest();
}

function littleEndian(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets).reverse().toString("hex")}`);
}

/** ML-DSA's object identifiers (RFC 9881 §2), and its keys one octet too short or too long. */
const mlDsa = { "ml-dsa-44": 17, "ml-dsa-65": 18, "ml-dsa-87": 19 } as const;

export function mlDsaKey(type: keyof typeof mlDsa, change: -1 | 1): OffendingKey {
  const { publicKey, privateKey } = generateKeyPairSync(type);
  const header = 22; // two SEQUENCEs, the identifier, and the BIT STRING's beginning
  const key = spkiOf(publicKey).subarray(header);
  const algorithm = sequence(oid(`2.16.840.1.101.3.4.3.${String(mlDsa[type])}`));
  const changed = change < 0 ? key.subarray(0, -1) : Buffer.concat([key, Buffer.of(0)]);
  return {
    spki: sequence(algorithm, bitString(changed)),
    algorithm,
    sign: (data) => sign(null, data, privateKey),
  };
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" });
}
