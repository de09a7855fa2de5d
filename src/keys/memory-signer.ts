import { type KeyObject, createPublicKey, createSign, sign } from "node:crypto";
import { promisify } from "node:util";
import { keyTypeOf } from "../domain/key-policy.ts";
import type { Signer } from "../domain/ports.ts";
import { algorithmFor } from "../x509/algorithms.ts";

/** What is longer, such as a CRL, is not hashed at one go on the event loop. */
const LARGE = 1 << 16;
/** Hashed in a fraction of a millisecond: every turn of the event loop is longer by that. */
const PIECE = 1 << 17;

/** A signer whose key is in this process's memory, as the encrypted key files are once they are opened. */
export function memorySigner(privateKey: KeyObject): Signer {
  const keyType = keyTypeOf(privateKey);
  const { digest } = algorithmFor(keyType);
  return {
    keyType,
    spki: createPublicKey(privateKey).export({ format: "der", type: "spki" }),
    sign: async (data) => {
      if (data.length < LARGE) return sign(digest, data, privateKey);
      if (digest) return signInPieces(digest, data, privateKey);
      return promisify(sign)(undefined, data, privateKey); // Ed25519 and ML-DSA take it whole
    },
  };
}

/** Between pieces others have their turn. In another thread it would be copied first, in one go: 46 MB of a large CRL. */
async function signInPieces(digest: string, data: Uint8Array, key: KeyObject): Promise<Uint8Array> {
  const signing = createSign(digest);
  for (let start = 0; start < data.length; start += PIECE) {
    signing.update(data.subarray(start, start + PIECE));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return signing.sign(key);
}
