import { Counter, type Registry } from "prom-client";
import type { ErrorCode } from "../domain/errors.ts";

/** Registers what was counted by account. @param read what there is when somebody asks, of a bounded number of accounts */
export function registerAccountCounters(
  registry: Registry,
  read: () => Iterable<
    readonly [
      account: string,
      { readonly requests: number; readonly denials: ReadonlyMap<ErrorCode, number> },
    ]
  >,
): void {
  new Counter({
    name: "countersign_account_requests_total",
    help: "Requests of credentials on record, by account.",
    labelNames: ["account"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [account, { requests }] of read()) this.inc({ account }, requests);
    },
  });
  new Counter({
    name: "countersign_account_denials_total",
    help: "Those that were denied, by account and code.",
    labelNames: ["account", "code"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [account, { denials }] of read()) {
        for (const [code, count] of denials) this.inc({ account, code }, count);
      }
    },
  });
}
