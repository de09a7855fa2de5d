import { Gauge, type Registry } from "prom-client";
import { BoundedNames } from "../domain/bounded-names.ts";

/** What the gauges show when they are asked. */
export interface DecisionReads {
  readonly credentials: () => number;
  readonly connections: () => number;
  /** Open connections, by account. */
  readonly accountConnections: () => Iterable<readonly [account: string, connections: number]>;
  readonly stalenessSeconds: () => number;
}

/** Registers what every process shows that decides on requests. */
export function registerDecisionGauges(registry: Registry, read: DecisionReads): void {
  const gauge = (name: string, help: string, value: () => number): Gauge =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(value());
      },
    });
  gauge("countersign_credentials", "Credentials in memory.", read.credentials);
  gauge("countersign_connections", "Open connections of known credentials.", read.connections);
  gauge("countersign_staleness_seconds", "Age of what decisions are made from.", read.stalenessSeconds);
  const names = new BoundedNames();
  new Gauge({
    ...{ name: "countersign_account_connections", help: "Open connections, by account." },
    ...{ labelNames: ["account"], registers: [registry] },
    collect() {
      this.reset();
      for (const [account, count] of read.accountConnections())
        this.inc({ account: names.of(account) }, count);
    },
  });
}
