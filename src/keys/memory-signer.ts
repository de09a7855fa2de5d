import { type KeyObject, createPublicKey, sign } from "node:crypto";
import { keyTypeOf } from "../domain/key-policy.ts";
import type { Signer } from "../domain/ports.ts";
import { algorithmFor } from "../x509/algorithms.ts";

/** A signer whose key is in this process's memory, as the encrypted key files are once they are opened. */
export function memorySigner(privateKey: KeyObject): Signer {
  const keyType = keyTypeOf(privateKey);
  const { digest } = algorithmFor(keyType);
  return {
    keyType,
    spki: createPublicKey(privateKey).export({ format: "der", type: "spki" }),
    sign: (data) => Promise.resolve(sign(digest, data, privateKey)),
  };
}
