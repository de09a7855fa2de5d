import { Gauge, type Registry } from "prom-client";
import { type Instant, SECOND } from "../domain/time.ts";

/** Another CA's CRL, as it is held. */
export interface HeldTrustCrl {
  readonly ca: string;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant | undefined;
  readonly entries: number;
}

/** Registers what is held of other CAs' lists. @param read what there is when somebody asks */
export function registerTrustGauges(
  registry: Registry,
  now: () => Instant,
  read: () => readonly HeldTrustCrl[],
): void {
  const gauge = (name: string, help: string, valueOf: (crl: HeldTrustCrl) => number | undefined): void => {
    new Gauge({
      name: `countersign_trust_crl_${name}`,
      help,
      labelNames: ["ca"],
      registers: [registry],
      collect() {
        this.reset();
        for (const crl of read()) {
          const value = valueOf(crl);
          if (value !== undefined) this.set({ ca: crl.ca }, value);
        }
      },
    });
  };
  gauge("age_seconds", "Time since the thisUpdate of another CA's CRL.", ({ thisUpdate }) => {
    return (now() - thisUpdate) / SECOND;
  });
  gauge("seconds_left", "Time until the nextUpdate of another CA's CRL.", ({ nextUpdate }) => {
    return nextUpdate === undefined ? undefined : (nextUpdate - now()) / SECOND;
  });
  gauge("entries", "Entries of another CA's CRL.", ({ entries }) => entries);
}
