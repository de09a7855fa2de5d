import { type KeyObject, generateKeyPairSync, sign } from "node:crypto";

/** The client keys that are measured. */
export const clientKeyTypes = [
  "ec-p256",
  "ec-p384",
  "ed25519",
  "rsa-2048",
  "ml-dsa-44",
  "ml-dsa-65",
  "ml-dsa-87",
] as const;
export type KeyType = (typeof clientKeyTypes)[number];

export interface Csr {
  readonly der: Buffer;
  /** CertificationRequestInfo, DER: what is signed. */
  readonly info: Buffer;
  readonly spki: Buffer;
  readonly signature: Buffer;
}

export interface ClientKey {
  readonly privateKey: KeyObject;
  readonly spki: Buffer;
}

/** The digest that a key of this type signs with; null where the algorithm has its own. */
export function digestOf(keyType: KeyType): string | null {
  return algorithms[keyType].digest;
}

export function makeKey(keyType: KeyType): ClientKey {
  const { privateKey, publicKey } = generate(keyType);
  return { privateKey, spki: publicKey.export({ format: "der", type: "spki" }) };
}

/** An RSA key takes 50 to 200 ms to make: these go round. */
const RSA_KEYS = 32;

/** Keys for one CSR after the other, all different but for RSA. */
export function keysFor(keyType: KeyType): { next: () => ClientKey; readonly made: number } {
  const rsa: ClientKey[] = [];
  let count = 0;
  return {
    next() {
      const known = keyType === "rsa-2048" ? rsa[count % RSA_KEYS] : undefined;
      count += 1;
      if (known) return known;
      const key = makeKey(keyType);
      if (keyType === "rsa-2048") rsa.push(key);
      return key;
    },
    get made() {
      return keyType === "rsa-2048" ? rsa.length : count;
    },
  };
}

// CN=bench: step-ca wants its token's subject here; Countersign takes nothing from a CSR but the key.
const subject = Buffer.from("3010310e300c06035504030c0562656e6368", "hex");
const version = Buffer.from("020100", "hex");
const noAttributes = Buffer.from("a000", "hex");

/**
 * Makes a CSR (RFC 2986). Written here rather than with the server's own code, which is what is measured, and fast: ten
 * thousand are needed before a round begins.
 */
export function makeCsr(keyType: KeyType, { privateKey, spki }: ClientKey): Csr {
  const { digest, identifier } = algorithms[keyType];
  const info = element(0x30, version, subject, spki, noAttributes);
  const signature = sign(digest, info, privateKey);
  const der = element(0x30, info, Buffer.from(identifier, "hex"), element(0x03, Buffer.of(0), signature));
  return { der, info, spki, signature };
}

/** A CSR's DER as PEM. */
export function toCsrPem(der: Buffer): string {
  const lines = der.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`;
}

/** Digests, and AlgorithmIdentifiers in hex DER (RFC 5758 §3.2, 8410 §3, 4055 §5, 9881 §2). */
const algorithms: Readonly<Record<KeyType, { digest: string | null; identifier: string }>> = {
  "ec-p256": { digest: "sha256", identifier: "300a06082a8648ce3d040302" },
  "ec-p384": { digest: "sha384", identifier: "300a06082a8648ce3d040303" },
  ed25519: { digest: null, identifier: "300506032b6570" },
  "rsa-2048": { digest: "sha256", identifier: "300d06092a864886f70d01010b0500" },
  "ml-dsa-44": { digest: null, identifier: "300b0609608648016503040311" },
  "ml-dsa-65": { digest: null, identifier: "300b0609608648016503040312" },
  "ml-dsa-87": { digest: null, identifier: "300b0609608648016503040313" },
};

function generate(keyType: KeyType): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (keyType) {
    case "ec-p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "ec-p384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" });
    case "rsa-2048":
      return generateKeyPairSync("rsa", { modulusLength: 2048 });
    case "ed25519":
      return generateKeyPairSync("ed25519");
    case "ml-dsa-44":
    case "ml-dsa-65":
    case "ml-dsa-87":
      return generateKeyPairSync(keyType);
  }
}

/** One DER element of less than 64 KiB. */
function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), body]);
}
