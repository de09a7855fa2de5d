import type { Clock, Database, Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import type { ConnectionGate } from "../enforce/connection-gate.ts";
import type { HomeIssuers } from "../home/issuers.ts";
import { registerCredentialGauges } from "../http/credential-gauges.ts";
import { registerGateMetrics } from "../http/gate-metrics.ts";
import { type Metrics, createMetrics } from "../http/metrics-app.ts";
import type { Following } from "./following.ts";

/** The metrics, and what their gauges read. */
export function serverMetrics(
  { authenticator, publisher }: Following,
  issuers: HomeIssuers,
  { database, clock, logger }: { database: Database; clock: Clock; logger: Logger },
): Metrics & { readonly gates: Map<string, ConnectionGate> } {
  const metrics = createMetrics({
    credentials: () => authenticator.size,
    connections: () => authenticator.connections.openConnections,
    stalenessSeconds: () => authenticator.staleness / SECOND,
    issuerSeconds: () =>
      issuers.records.map(({ name, notAfter }) => ({ name, left: (notAfter - clock.now()) / SECOND })),
    crls: () =>
      publisher.standing().map((standing) => ({
        ...standing,
        name: issuers.records.find(({ id }) => id === standing.issuerId)?.name ?? standing.issuerId,
      })),
  });
  registerCredentialGauges(metrics.registry, clock, (ends) => database.certificates.tally(ends), logger);
  const gates = new Map<string, ConnectionGate>();
  registerGateMetrics(metrics.registry, gates);
  return { ...metrics, gates };
}
