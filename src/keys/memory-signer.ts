import { type KeyObject, createPublicKey, sign } from "node:crypto";
import { promisify } from "node:util";
import { keyTypeOf } from "../domain/key-policy.ts";
import type { Signer } from "../domain/ports.ts";
import { algorithmFor } from "../x509/algorithms.ts";

/** What is longer, such as a large CRL, is hashed in another thread; for less, going there costs more than the hash. */
const LARGE = 1 << 16;

/** A signer whose key is in this process's memory, as the encrypted key files are once they are opened. */
export function memorySigner(privateKey: KeyObject): Signer {
  const keyType = keyTypeOf(privateKey);
  const { digest } = algorithmFor(keyType);
  return {
    keyType,
    spki: createPublicKey(privateKey).export({ format: "der", type: "spki" }),
    sign: (data) =>
      data.length < LARGE
        ? Promise.resolve(sign(digest, data, privateKey))
        : promisify(sign)(digest ?? undefined, data, privateKey),
  };
}
