import { Counter, Gauge, type Registry } from "prom-client";

/** What stands before a listener. */
interface Gate {
  /** Handshakes under way. */
  readonly handshakes: number;
  /** Connections closed before their handshake, by reason. */
  readonly shedCounts: ReadonlyMap<string, number>;
}

/**
 * Registers what became of connections before their handshake.
 *
 * @param gates by listener; read whenever metrics are asked for
 */
export function registerGateMetrics(registry: Registry, gates: ReadonlyMap<string, Gate>): void {
  new Gauge({
    name: "countersign_handshakes_open",
    help: "TLS handshakes under way.",
    labelNames: ["listener"],
    registers: [registry],
    collect() {
      for (const [listener, { handshakes }] of gates) this.set({ listener }, handshakes);
    },
  });
  new Counter({
    name: "countersign_handshakes_shed_total",
    help: "Connections closed before their TLS handshake, by reason.",
    labelNames: ["listener", "reason"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [listener, { shedCounts }] of gates) {
        for (const [reason, count] of shedCounts) this.inc({ listener, reason }, count);
      }
    },
  });
}
