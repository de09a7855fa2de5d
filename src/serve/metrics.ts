import type { Clock, Database, Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import type { Authenticator } from "../enforce/authenticator.ts";
import type { ConnectionGate } from "../enforce/connection-gate.ts";
import type { HomeIssuers } from "../home/issuers.ts";
import { registerCredentialGauges } from "../http/credential-gauges.ts";
import type { DecisionReads } from "../http/decision-gauges.ts";
import { registerGateMetrics } from "../http/gate-metrics.ts";
import { type Metrics, createMetrics } from "../http/metrics-app.ts";
import type { Following } from "./following.ts";

/** What the gauges of the decision read. */
export function decisionReads(authenticator: Authenticator): DecisionReads {
  const { connections } = authenticator;
  return {
    credentials: () => authenticator.size,
    connections: () => connections.openConnections,
    accountConnections: () => connections.byAccount(),
    stalenessSeconds: () => authenticator.staleness / SECOND,
  };
}

/** The metrics, and what their gauges read. */
export function serverMetrics(
  { authenticator, publisher }: Following,
  issuers: HomeIssuers,
  { database, clock, logger }: { database: Database; clock: Clock; logger: Logger },
): Metrics & { readonly gates: Map<string, ConnectionGate> } {
  const metrics = createMetrics({
    ...decisionReads(authenticator),
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
