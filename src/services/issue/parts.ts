import type { IssuerId, SpkiHash } from "../../domain/identifiers.ts";
import type { Slug } from "../../domain/names.ts";
import type { Clock, Codec, Database, Issuer, RandomBytes } from "../../domain/ports.ts";
import type { Profile } from "../../domain/profile.ts";
import type { Ledger } from "./ledger.ts";

/** The steps that a certificate takes from CSR to answer, in this order. */
export type Step =
  | "parse"
  | "verify-possession"
  | "key-policy"
  | "profile"
  | "intent"
  | "sign"
  | "compare"
  | "record"
  | "answer";

/** The issuing CAs of a home. */
export interface Issuers {
  /** The one of that name, if it may sign certificates. */
  signing(name: Slug): Issuer | undefined;
  /** The certificate (DER) of any that has ever signed here. */
  certificate(id: IssuerId): Uint8Array | undefined;
}

/** What issuing works with. */
export interface IssuingParts {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly codec: Codec;
  readonly issuers: Issuers;
  readonly profiles: () => ReadonlyMap<string, Profile>;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly trustDomain: string;
  /** Of CAs that are trusted beside our own: they are no account's, on record or not. */
  readonly foreignKeys?: ReadonlySet<SpkiHash> | undefined;
  /** Base of the URLs that certificates carry; `undefined` leaves them out. */
  readonly publicUrl: string | undefined;
  /** Told of each step before it is taken. */
  readonly onStep?: ((step: Step) => void) | undefined;
}
