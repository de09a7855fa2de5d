import type { Denial } from "../domain/decision.ts";
import type { EndedUse } from "../services/retired-use.ts";
import type { Seen } from "./seen.ts";
import type { Incoming } from "./transport.ts";

/** Tells of certificates that have ended, and are presented all the same. */
export class EndedUses {
  readonly #tell: ((use: EndedUse) => void) | undefined;
  readonly #renewals = new WeakSet<Incoming>();

  constructor(tell: ((use: EndedUse) => void) | undefined) {
    this.#tell = tell;
  }

  /** For a renewal, a certificate that has ended is nothing out of the way. */
  renewing(request: Incoming): void {
    this.#renewals.add(request);
  }

  denied(
    { code, fingerprint }: Denial,
    { began, address }: Pick<Seen, "began" | "address">,
    request: Incoming | undefined,
  ): void {
    const hasEnded = code === "CERT_REVOKED" || code === "CERT_EXPIRED";
    if (!hasEnded || fingerprint === undefined || (request && this.#renewals.has(request))) return;
    this.#tell?.({ fingerprint, began, address });
  }
}
