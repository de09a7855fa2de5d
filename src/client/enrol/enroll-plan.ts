import { requireWritablePlace } from "../../files/files.ts";
import { type KeyType, keyTypeOf } from "../../domain/key-policy.ts";
import { enforceUrl } from "../ca/ca-health.ts";
import { DEFAULT_KEY_TYPE, type EnrollToFiles, checkFiles, requireRootPlace } from "./enroll-files.ts";
import { fetchRoot } from "./enroll.ts";

export interface EnrolmentPlan {
  readonly keyType: KeyType;
  /** Whether the key is there already. */
  readonly hasKey: boolean;
  /** What would be written. */
  readonly writes: readonly string[];
  /** Where calls are decided on, if the CA says so. */
  readonly enforceUrl: string | undefined;
}

/**
 * Checks all of an enrolment that can be checked without the token: files and their places, the key, the CA, its root
 * and its TLS, and without a token whether it takes requests. Nothing is written; neither token nor CSR is sent.
 *
 * @throws Refusal what `enrollToFiles` would, and FILE_UNREADABLE for a place that cannot be written to.
 */
export async function planEnrolment(wanted: EnrollToFiles): Promise<EnrolmentPlan> {
  const { caUrl, files, p12 } = wanted;
  const key = checkFiles(wanted);
  const writes = [...(key ? [] : [files.key]), ...(p12 ? [p12.file] : []), ...[files.cert, files.ca]];
  for (const path of [files.key, ...writes]) requireWritablePlace(path); // the CSR is kept beside the key
  const root = await fetchRoot(caUrl, wanted.fingerprint);
  requireRootPlace(files.ca, root);
  if (typeof wanted.token !== "string") await wanted.token.requirePossible?.(root);
  return {
    keyType: key ? keyTypeOf(key) : (wanted.keyType ?? DEFAULT_KEY_TYPE),
    hasKey: key !== undefined,
    writes,
    enforceUrl: await enforceUrl(caUrl, root),
  };
}
