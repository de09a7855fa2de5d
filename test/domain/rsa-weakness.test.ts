import { type KeyObject, createPublicKey, generateKeyPairSync, generatePrimeSync } from "node:crypto";
import forge from "node-forge";
import { describe, expect, it } from "vitest";
import { requireStrongModulus } from "../../src/domain/rsa-weakness.ts";
import { type Refused, refusalOf } from "../support/fixtures-refusal.ts";
import { primesFoundAfter, rsaKeys } from "../support/offending-keys.ts";
import { runOk } from "../support/run.ts";

const refused = (modulus: bigint): Refused =>
  refusalOf(() => {
    requireStrongModulus(modulus);
  });
const weak = (message: string): Refused => ({ code: "KEY_WEAK", message });
const smallFactor = (factor: number): Refused =>
  weak(`An RSA key's modulus must have no factor below 1000; this one has ${String(factor)}.`);
const closePrimes = weak("An RSA key's primes must not be close to each other.");
const roca = weak("An RSA key must not come from a generator with the ROCA flaw (CVE-2017-15361).");

const prime = (bits: number): bigint => generatePrimeSync(bits, { bigint: true });
const modulusOf = (key: KeyObject): bigint =>
  BigInt(`0x${Buffer.from(String(key.export({ format: "jwk" }).n), "base64url").toString("hex")}`);
const smallPrimes = Array.from({ length: 998 }, (_, i) => i + 2).filter((n) => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return true;
});

describe("an RSA modulus that a generator made well is taken", () => {
  describe.each([2048, 3072, 4096])("%i bits", (bits) => {
    it.each<[string, () => bigint | Promise<bigint>]>([
      ["Node", () => modulusOf(generateKeyPairSync("rsa", { modulusLength: bits }).publicKey)],
      ["OpenSSL", async () => modulusOf(createPublicKey(await runOk("openssl", ["genrsa", String(bits)])))],
      ["two primes from Node", () => prime(bits / 2) * prime(bits / 2)],
    ])("%s", async (_name, make) => {
      const modulus = await make();
      expect(modulus.toString(2)).toHaveLength(bits);
      requireStrongModulus(modulus);
    });
  });

  it("2048 bits, node-forge's own primes", () => {
    const prng = { getBytesSync: forge.random.getBytesSync }; // or it would ask Node for the key
    const { publicKey } = forge.pki.rsa.generateKeyPair({ bits: 2048, prng });
    requireStrongModulus(BigInt(`0x${publicKey.n.toString(16)}`));
  });

  it("hundreds of others", () => {
    const primes = Array.from({ length: 30 }, () => prime(1024));
    for (const p of primes) for (const q of primes) if (p < q) requireStrongModulus(p * q);
  });

  it("the product of three primes: no rule is about that", () => {
    requireStrongModulus(rsaKeys.threePrimes().modulus);
  });
});

describe("a small factor", () => {
  const { modulus } = rsaKeys.good();

  it("each prime below 1000 is found", () => {
    expect(smallPrimes).toHaveLength(168);
    for (const factor of smallPrimes) expect(refused(BigInt(factor) * modulus)).toEqual(smallFactor(factor));
  });

  it.each([
    ["3, in a modulus of 2048 bits", rsaKeys.factor3, 3],
    ["751, in a modulus of 2048 bits", rsaKeys.factor751, 751],
    ["997, the last below 1000", rsaKeys.factor997, 997],
    ["2", rsaKeys.evenModulus, 2],
  ])("%s", (_name, make, factor) => {
    const { modulus } = make();
    expect(modulus.toString(2)).toHaveLength(2048);
    expect(refused(modulus)).toEqual(smallFactor(factor));
  });

  it("of 1009, the first above 1000, is not looked for", () => {
    requireStrongModulus(rsaKeys.factor1009().modulus);
  });
});

describe("close primes", () => {
  it.each([1, 999, 1001, 2500, 50_000, 98_999, 99_001, 99_999])(
    "%i thousandths above the root are found",
    (thousandths) => {
      const [p = 0n, q = 0n] = primesFoundAfter(thousandths);
      expect(refused(p * q)).toEqual(closePrimes);
    },
  );

  it.each([100_001, 100_999, 1_000_000])(
    "%i thousandths above the root are beyond a hundred rounds",
    (thousandths) => {
      const [p = 0n, q = 0n] = primesFoundAfter(thousandths);
      requireStrongModulus(p * q);
    },
  );

  it("the same prime twice", () => {
    expect(refused(prime(1024) ** 2n)).toEqual(closePrimes);
  });
});

/** From the detector of those who found the flaw (crocs-muni/roca, roca/tests): two moduli, and a decoy. */
const published512 =
  0x944e13208a280c37efc31c3114485e590192adbb8e11c87cad60cdef0037ce99278330d3f471a2538fa667802ed2a3c44a8b7dea826e888d0aa341fd664f7fa7n;
const published2048 =
  0x9dcd7420e420c270a68060eb8b5aa7457a9f6648f86fafed2775cc1f79ae962f1e63f1b9e51c55f9ea6fdc7332e9b0058c9ff2eb1fc89855029cf6aafe21e689feb38ac9ffb12f1ce371bb5d0e9aae64161abce74b4244bf68f1edb4411f756a097c8929c14740245ea355f8332d1aa36bb50c7dcb4505da8de02e4e53d38f8df06097da7524df0df93db48eac8cc4af2d3a16257eb2b2adca6ba464e5974fa92550d31b1babf161e7692d00b86e3dd886ecab4abfbe1a8f8cc263ff4af55cdb45f4249a5193925f5e983d762f0b6800943eb0267b08f42ed311ce1f5c86eacbc8ce4d3cb7a2fee1ef5641423a1cf4114e5ecf50034a60a412523af9e6f4aa11n;
const publishedDecoy =
  72414128973967872688332736535017614208620368242015797102796086827882754006260204061799547004983731426777596445658889886861027045033760014948048067467947960318205453778973975867532910489227970143091184725760290172935872752222320334100097730483600892686353719855397381316384244147860260153198611313067061116317n;

describe("ROCA's fingerprint", () => {
  const tested = smallPrimes.filter((prime) => prime <= 167);
  const product = tested.reduce((all, prime) => all * BigInt(prime), 1n);
  const { modulus } = rsaKeys.roca();
  const powersModulo = (prime: number): Set<number> => {
    const powers = new Set<number>();
    for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power);
    return powers;
  };
  /** Another modulus, with the same remainders for all the tested primes but one. */
  const changedFor = (changed: number, isWanted: (remainder: number) => boolean): bigint => {
    for (let other = modulus; ; other += product / BigInt(changed)) {
      const hasFactor = smallPrimes.some((prime) => other % BigInt(prime) === 0n);
      if (!hasFactor && other % product !== modulus % product && isWanted(Number(other % BigInt(changed))))
        return other;
    }
  };

  it.each([
    ["a modulus made here", modulus],
    ["a published one of 512 bits", published512],
    ["a published one of 2048 bits", published2048],
  ])("%s has it", (_name, marked) => {
    expect(refused(marked)).toEqual(roca);
  });

  it.each(tested.filter((prime) => powersModulo(prime).size < prime - 1))(
    "is not there when the remainder for %i alone is no power of 65537",
    (prime) => {
      const powers = powersModulo(prime);
      requireStrongModulus(changedFor(prime, (remainder) => !powers.has(remainder)));
    },
  );

  // One power further, the exponent for this prime is even where the others' are odd, or the other way round.
  it.each(tested.filter((prime) => powersModulo(prime).size % 2 === 0))(
    "is not there when the remainder for %i alone is another power of 65537",
    (prime) => {
      const next = Number((modulus * 65537n) % BigInt(prime));
      requireStrongModulus(changedFor(prime, (remainder) => remainder === next));
    },
  );

  it("is not there when each remainder is a power, but not the same", () => {
    expect(tested.every((prime) => powersModulo(prime).has(Number(publishedDecoy % BigInt(prime))))).toBe(
      true,
    );
    requireStrongModulus(publishedDecoy);
  });
});
