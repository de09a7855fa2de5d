import type { Fingerprint, Serial } from "./identifiers.ts";
import type { Slug } from "./names.ts";
import type { Signer } from "./ports.ts";
import type { CrlEntry } from "./records.ts";
import type { Instant } from "./time.ts";

/** How a certificate on record stands: what others are told of it. */
export interface Standing {
  readonly serial: Serial;
  readonly fingerprint: Fingerprint;
  readonly account: Slug | undefined;
  /** As its line in a CRL has it; `undefined` when it has none. */
  readonly revocation: Revocation | undefined;
}

/** `reason` is `undefined` for "unspecified". */
export type Revocation = Pick<CrlEntry, "at" | "reason">;

/** One certificate that is asked about (RFC 6960 §4.1.1). */
export interface CertId {
  /** As it was sent, DER: answers repeat it. */
  readonly encoded: Uint8Array;
  /** Hash algorithm and hashes; with an algorithm that is not used here, nobody's. */
  readonly issuer: string;
  /** `undefined` for a number that no certificate of ours can have. */
  readonly serial: Serial | undefined;
}

export interface OcspRequest {
  /** At least one. */
  readonly certIds: readonly CertId[];
  /** Its octets (RFC 9654 §2.1). */
  readonly nonce: Uint8Array | undefined;
}

/** Why there is no answer, with OCSPResponseStatus (RFC 6960 §4.2.1). */
export const ocspFailures = { malformedRequest: 1, internalError: 2, tryLater: 3, unauthorized: 6 } as const;
export type OcspFailure = keyof typeof ocspFailures;

/** What a responder says of each certificate; times in whole seconds. */
export interface OcspAnswers {
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  readonly singles: readonly {
    readonly certId: Pick<CertId, "encoded">;
    readonly status: "good" | "unknown" | Revocation;
  }[];
  readonly nonce: Uint8Array | undefined;
}

/** Who signs answers for an issuing CA: its delegate (RFC 6960 §4.2.2.2). */
export interface OcspSigner {
  readonly signer: Signer;
  /** The delegate's certificate, DER. */
  readonly certificate: Uint8Array;
}
