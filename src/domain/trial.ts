import type { CredentialRecord } from "./records.ts";

/** A throw-away credential, for the self-test. PEM. */
export interface TrialCredential {
  readonly cert: string;
  readonly key: string;
  readonly record: CredentialRecord;
}

/** Throw-away credentials of a throw-away CA that never leave this process. */
export interface Trials {
  /** The CA's certificate, DER. */
  readonly ca: Uint8Array;
  /** Of the listener that is tried. */
  readonly server: { readonly cert: string; readonly key: string };
  readonly good: TrialCredential;
  readonly suspended: TrialCredential;
  readonly expired: TrialCredential;
  /** Signed by the CA, and on no record. */
  readonly unknown: TrialCredential;
  /** Signed by another CA that bears the same name. */
  readonly foreign: TrialCredential;
}
