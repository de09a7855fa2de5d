import { hash } from "node:crypto";
import { Refusal } from "../../domain/errors.ts";
import type { Fingerprint, Serial } from "../../domain/identifiers.ts";
import type { CertId, OcspAnswers, OcspFailure, OcspRequest } from "../../domain/ocsp.ts";
import type { Clock, Codec, Database, Logger } from "../../domain/ports.ts";
import type { Change } from "../../domain/records.ts";
import { HOUR, type Instant, wholeSeconds } from "../../domain/time.ts";
import type { Delegate, OcspDelegates } from "./delegates.ts";
import { type Kept, Standings } from "./standings.ts";

/** How long an answer is good for. One that is kept is signed anew at half of it. */
const ANSWER_LIFE = HOUR;

/** Each certificate by its status; a failure by its own name. */
export type OcspOutcome = "good" | "revoked" | "unknown" | OcspFailure;

export interface OcspAnswer {
  /** OCSPResponse, DER. */
  readonly der: Uint8Array;
  /** For each certificate that was asked about; the failure, when there is one. */
  readonly outcomes: readonly OcspOutcome[];
  /** When others may keep it as well: a single certificate on record, without a nonce. */
  readonly caching: Caching | undefined;
}

export interface Caching {
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  /** SHA-256 of the response, hex (RFC 9919 §7.2). */
  readonly tag: string;
  /** The delegate's certificate. */
  readonly signedBy: Fingerprint;
}

interface Parts {
  readonly database: Database;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly delegates: OcspDelegates;
  /** Whether what is in memory still follows the database. */
  readonly isCurrent: () => boolean;
}

/** Answers OCSP requests from the record (RFC 6960, RFC 9919). */
export class OcspResponder {
  readonly #parts: Parts;
  readonly #standings: Standings<OcspAnswer>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#standings = new Standings(parts.database);
  }

  /** Never throws: whatever goes wrong has its own answer. */
  async answer(der: Uint8Array): Promise<OcspAnswer> {
    try {
      const request = this.#parts.codec.readOcspRequest(der);
      return request ? await this.#answer(request) : this.fail("malformedRequest");
    } catch (error) {
      if (error instanceof Refusal && error.code === "UNAVAILABLE") return this.fail("tryLater");
      this.#parts.logger.error({ err: error }, "an OCSP request could not be answered");
      return this.fail("internalError");
    }
  }

  fail(failure: OcspFailure): OcspAnswer {
    const der = this.#parts.codec.ocspFailure(failure);
    return { der, outcomes: [failure], caching: undefined };
  }

  /** Call it with every change, so that the next answer tells. */
  onChanges(changes: readonly Change[]): void {
    this.#standings.onChanges(changes);
  }

  /** Call it when the database went back, so that no answer tells of what it was before. */
  onWentBack(): void {
    this.#standings.onWentBack();
  }

  async #answer(request: OcspRequest): Promise<OcspAnswer> {
    const { delegates, isCurrent } = this.#parts;
    const { certIds, nonce } = request;
    // One signature speaks for one issuer; of others, nothing is known here (RFC 9919 §3.2.3).
    const issuer = delegates.issuerOf(certIds);
    if (issuer === undefined) return this.fail("unauthorized");
    if (!isCurrent()) return this.fail("tryLater");

    const delegate = delegates.delegateOf(issuer);
    const known = await this.#standings.find(
      issuer,
      certIds.flatMap(({ serial }) => serial ?? []),
    );
    const [certId] = certIds;
    const only = certIds.length === 1 && nonce === undefined ? certId : undefined;
    const kept = only?.serial === undefined ? undefined : known.get(only.serial);
    if (only && kept) return this.#keptAnswer(only, kept, delegate);
    return this.#sign(request, known, delegate, this.#times(delegate));
  }

  async #keptAnswer(certId: CertId, kept: Kept<OcspAnswer>, delegate: Delegate): Promise<OcspAnswer> {
    const name = Buffer.from(certId.encoded).toString("latin1");
    const earlier = kept.answers.get(name);
    if (earlier?.caching && this.#isFresh(earlier.caching, delegate)) return earlier;
    const request = { certIds: [certId], nonce: undefined };
    const times = this.#times(delegate);
    const signed = await this.#sign(request, new Map([[kept.standing.serial, kept]]), delegate, times);
    const tag = hash("sha256", signed.der, "hex");
    const answer = { ...signed, caching: { ...times, tag, signedBy: delegate.fingerprint } };
    this.#standings.keepAnswer(kept, name, answer);
    return answer;
  }

  #isFresh({ thisUpdate, nextUpdate, signedBy }: Caching, { fingerprint }: Delegate): boolean {
    const now = this.#parts.clock.now();
    const isYoung = thisUpdate <= now && now < thisUpdate + (nextUpdate - thisUpdate) / 2;
    return isYoung && signedBy === fingerprint; // which may have been replaced
  }

  async #sign(
    { certIds, nonce }: OcspRequest,
    known: ReadonlyMap<Serial, Kept<OcspAnswer>>,
    delegate: Delegate,
    times: Times,
  ): Promise<OcspAnswer> {
    const singles = certIds.map((certId) => ({ certId, status: statusOf(certId, known) }));
    const der = await this.#parts.codec.signOcspAnswers(delegate, { ...times, singles, nonce });
    return { der, outcomes: singles.map(({ status }) => outcomeOf(status)), caching: undefined };
  }

  /** Never beyond the delegate's own end. */
  #times({ notAfter }: Delegate): Times {
    const thisUpdate = wholeSeconds(this.#parts.clock.now());
    return { thisUpdate, nextUpdate: Math.min(thisUpdate + ANSWER_LIFE, notAfter) };
  }
}

type Times = Pick<OcspAnswers, "thisUpdate" | "nextUpdate">;
type Status = OcspAnswers["singles"][number]["status"];

function statusOf({ serial }: CertId, known: ReadonlyMap<Serial, Kept<OcspAnswer>>): Status {
  const kept = serial === undefined ? undefined : known.get(serial);
  return kept ? (kept.standing.revocation ?? "good") : "unknown";
}

function outcomeOf(status: Status): OcspOutcome {
  return typeof status === "string" ? status : "revoked";
}
