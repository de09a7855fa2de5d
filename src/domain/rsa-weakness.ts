import { Refusal } from "./errors.ts";

/**
 * Refuses an RSA modulus (positive) whose factors can be found. What passes can still be weak in ways that a modulus
 * does not show, such as a generator with too little entropy.
 *
 * @throws Refusal KEY_WEAK, with the rule that the modulus breaks.
 */
export function requireStrongModulus(modulus: bigint): void {
  const factor = smallFactor(modulus);
  if (factor !== undefined) {
    throw new Refusal(
      "KEY_WEAK",
      `An RSA key's modulus must have no factor below ${String(SMALL_FACTOR_BOUND)}; this one has ${String(factor)}.`,
    );
  }
  if (hasCloseFactors(modulus)) {
    throw new Refusal("KEY_WEAK", "An RSA key's primes must not be close to each other.");
  }
  if (isRoca(modulus)) {
    throw new Refusal(
      "KEY_WEAK",
      "An RSA key must not come from a generator with the ROCA flaw (CVE-2017-15361).",
    );
  }
}

/** SP 800-89 §5.3.3 asks for no factor below 752, and so do the Baseline Requirements for TLS §6.1.6. */
const SMALL_FACTOR_BOUND = 1000;
const smallPrimes = primesBelow(SMALL_FACTOR_BOUND);
/** Their product in parts that a Number holds, so that only one long division is needed for each half dozen primes. */
const primorialParts = inParts(smallPrimes);

function smallFactor(modulus: bigint): number | undefined {
  for (const { product, primes } of primorialParts) {
    const rest = Number(modulus % product);
    for (const prime of primes) if (rest % prime === 0) return prime;
  }
  return undefined;
}

function inParts(primes: readonly number[]): { readonly product: bigint; readonly primes: number[] }[] {
  const parts: { product: bigint; primes: number[] }[] = [];
  for (const prime of primes) {
    const last = parts.at(-1);
    const product = (last?.product ?? 1n) * BigInt(prime);
    if (last && product <= Number.MAX_SAFE_INTEGER) {
      last.product = product;
      last.primes.push(prime);
    } else {
      parts.push({ product: BigInt(prime), primes: [prime] });
    }
  }
  return parts;
}

function primesBelow(bound: number): number[] {
  const primes: number[] = [];
  for (let n = 2; n < bound; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

/** As the Baseline Requirements §6.1.1.3 have it. Primes from a sound generator are far apart (FIPS 186-5 §A.1.1). */
const FERMAT_ROUNDS = 100;
/** Coprime; 3 in 10,000 numbers are squares modulo all of them. Their product is exact as a Number. */
const filters = [64, 63, 65, 11, 17, 19, 23, 29, 31].map(squaresModulo);
const filterProduct = filters.reduce((product, { modulus }) => product * modulus, 1);

/** Fermat: n = a² − b² = (a + b)(a − b), looked for from the least a on; b = 0 for the same factor twice. */
function hasCloseFactors(n: bigint): boolean {
  const root = squareRoot(n);
  const first = root * root === n ? root : root + 1n;
  // (a + 1)² − n is 2a + 1 more than a² − n, which is all that the filters need to know.
  let rest = Number((first * first - n) % BigInt(filterProduct));
  let step = Number((2n * first + 1n) % BigInt(filterProduct));
  for (let round = 0; round < FERMAT_ROUNDS; round++) {
    if (filters.every(({ modulus, squares }) => squares[rest % modulus] === 1)) {
      const square = (first + BigInt(round)) ** 2n - n;
      if (squareRoot(square) ** 2n === square) return true;
    }
    rest = (rest + step) % filterProduct;
    step += 2;
  }
  return false;
}

function squaresModulo(modulus: number): { readonly modulus: number; readonly squares: Uint8Array } {
  const squares = new Uint8Array(modulus);
  for (let root = 0; root < modulus; root++) squares[(root * root) % modulus] = 1;
  return { modulus, squares };
}

/** The root rounded down: Newton's method, with twice the bits in each step, as in Python's `math.isqrt`. */
function squareRoot(n: bigint): bigint {
  if (n === 0n) return 0n;
  const half = (n.toString(2).length - 1) >> 1;
  let root = 1n;
  let bits = 0;
  for (let shift = 31 - Math.clz32(half); shift >= 0; shift--) {
    const before = bits;
    bits = half >> shift;
    root = (root << BigInt(bits - before - 1)) + (n >> BigInt(2 * half - before - bits + 1)) / root;
  }
  return root * root > n ? root - 1n : root;
}

/**
 * The fingerprint of Infineon's RSALib: Nemec et al., "The Return of Coppersmith's Attack", 2017, §2. Its primes are
 * powers of 65537 modulo the product of the first primes, up to 167 at least, and so are its moduli. There are 2^61
 * such powers among 2^216 residues, so that a sound modulus is one with a probability below 2^-154.
 *
 * The logarithm is looked up for each prime. It is known modulo 65537's order there, so that there is one exponent for
 * all the primes when each two logarithms agree modulo the orders' common divisor (the Chinese remainder theorem).
 */
function isRoca(modulus: bigint): boolean {
  const found: { readonly logarithm: number; readonly order: number }[] = [];
  for (const { prime, logarithms, order } of rocaPrimes) {
    const logarithm = logarithms.get(Number(modulus % BigInt(prime)));
    if (logarithm === undefined) return false;
    if (found.some((other) => (other.logarithm - logarithm) % gcd(other.order, order) !== 0)) return false;
    found.push({ logarithm, order });
  }
  return true;
}

const rocaPrimes = primesBelow(168).map((prime) => {
  const logarithms = new Map<number, number>();
  for (let power = 1, exponent = 0; !logarithms.has(power); power = (power * 65537) % prime, exponent++) {
    logarithms.set(power, exponent);
  }
  return { prime, logarithms, order: logarithms.size };
});

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
