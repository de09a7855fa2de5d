import { setTimeout as sleep } from "node:timers/promises";
import { Refusal } from "../../domain/errors.ts";
import { parseFingerprint } from "../../domain/identifiers.ts";
import type { KeyType } from "../../domain/key-policy.ts";
import { SECOND } from "../../domain/time.ts";
import { parseToken } from "../../domain/token.ts";
import { readInput } from "../../files/files.ts";
import { makeKeyPair } from "../../keys/key-pair.ts";
import { makeRequest } from "../../x509/request-writer.ts";
import { type ClientCredentials, credentialsOf } from "./client-credentials.ts";
import { DEFAULT_KEY_TYPE, enrollToFiles } from "../enrol/enroll-files.ts";
import { type Enrolled, enroll, fetchRoot } from "../enrol/enroll.ts";
import { readIdentity } from "./identity.ts";
import { type ClientFiles, requireChainFor } from "../files/certificate-files.ts";

export interface EnrollOptions {
  /** The CA listener, `https://…`. */
  readonly caUrl: string;
  /** SHA-256 of the CA's root certificate, hex. Nothing is sent to a CA with another. */
  readonly fingerprint: string;
  /** The enrolment token. */
  readonly token: string;
  /** `ec-p256` if not given; a key that is in its file already must be of this type. */
  readonly keyType?: KeyType | undefined;
  /** Where to store key, certificate and root; nothing that is there is written over. In memory alone, if not given. */
  readonly files?: ClientFiles | undefined;
  /** Encrypts the key's file. */
  readonly passphrase?: string | undefined;
}

/** Enrols, into files or memory. Throws as `enroll` and `enrollToFiles`. */
export async function enrollClient(options: EnrollOptions): Promise<ClientCredentials> {
  const { caUrl, files, passphrase } = options;
  const fingerprint = parseFingerprint(options.fingerprint);
  const token = parseToken(options.token);
  if (!files) {
    const { keyType = DEFAULT_KEY_TYPE } = options;
    const root = await fetchRoot(caUrl, fingerprint);
    const pair = await makeKeyPair(keyType);
    const enrolled = await insist(caUrl, root, token, await makeRequest(pair, keyType));
    requireChainFor(pair.privateKey, enrolled.chain);
    const key = pair.privateKey.export({ format: "pem", type: "pkcs8" });
    return credentialsOfAnswer(enrolled, { key, caUrl });
  }
  const ask = (root: string, csr: string): Promise<Enrolled> => insist(caUrl, root, token, csr);
  const { keyType } = options;
  const enrolled = await enrollToFiles({ caUrl, fingerprint, token: { ask }, files, keyType, passphrase });
  const key = readInput(files.key).toString("latin1");
  return credentialsOfAnswer(enrolled, { key, caUrl, files, passphrase });
}

const TRIES = 3;

/** An answer that got lost is asked for again with the same CSR: the token is used, and good for no other. */
async function insist(caUrl: string, root: string, token: string, csr: string): Promise<Enrolled> {
  for (let tries = 1; ; tries++) {
    try {
      return await enroll(caUrl, root, token, csr);
    } catch (error) {
      const isLost = error instanceof Refusal && error.code === "SERVER_UNREACHABLE";
      if (!isLost || tries === TRIES) throw error;
      await sleep((tries * SECOND) / 2);
    }
  }
}

function credentialsOfAnswer(
  { chain, root, account }: Enrolled,
  {
    key,
    passphrase,
    ...where
  }: Pick<EnrollOptions, "caUrl" | "files" | "passphrase"> & { readonly key: string },
): ClientCredentials {
  const identity = readIdentity({ key, cert: chain, ca: root, passphrase });
  return credentialsOf(identity, { ...where, account });
}
