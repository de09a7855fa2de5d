import { type RequestListener, createServer as createHttpServer } from "node:http";
import { Counter, Registry, collectDefaultMetrics } from "prom-client";
import { X509Certificate, createPrivateKey } from "node:crypto";
import type { Config } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import { purposeIds } from "../domain/profile.ts";
import { AccountCounts } from "../enforce/account-counts.ts";
import { requireOptions } from "../enforce/check-options.ts";
import type { ConnectionGate } from "../enforce/connection-gate.ts";
import { createEnforceListener } from "../enforce/listener.ts";
import { enforceTlsOptions } from "../enforce/tls.ts";
import { readInput } from "../files/files.ts";
import { Faults } from "../home/faults.ts";
import { urlHost } from "../home/open.ts";
import { registerAccountCounters } from "../http/account-counters.ts";
import { registerDecisionGauges } from "../http/decision-gauges.ts";
import { registerGateMetrics } from "../http/gate-metrics.ts";
import { metricsApp } from "../http/metrics-app.ts";
import { limitAnswers, timeLimits } from "../http/server.ts";
import { startEnforcing } from "./enforcing.ts";
import { decisionReads } from "./metrics.ts";
import { type Opened, started } from "./opened.ts";
import { startRouting } from "./routing.ts";

export interface GatewayListening {
  readonly pid: number;
  readonly enforce: string;
  readonly metrics: string;
  readonly home: string;
}

export interface RunningGateway {
  readonly listening: GatewayListening;
  /** Reads routes, upstreams and the listener's certificate again; what is not fit changes nothing, and the log says why. */
  reload(): void;
  stop(): Promise<void>;
}

/** The listener's own certificate and key: files, PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

type Certificate = ReturnType<typeof readCertificate>;

/**
 * The composition root of `gateway`: the decision and the routes of a home, without its keys.
 *
 * @param certificate what the files hold: they may be pipes, which can be read once
 * @throws Refusal when anything is missing or wrong; nothing is left running then
 */
export async function startGateway(
  config: Config,
  files: CertificateFiles,
  certificate: Certificate,
  logger: Logger,
): Promise<RunningGateway> {
  return started((opened) => start(config, files, certificate, logger, opened));
}

async function start(
  config: Config,
  files: CertificateFiles,
  certificate: Certificate,
  logger: Logger,
  opened: Opened,
): Promise<Omit<RunningGateway, "stop">> {
  const { home, limits } = config;
  const accounts = new AccountCounts();
  const enforcing = await startEnforcing({ home, logger }, logger, accounts);
  opened.onStop(() => enforcing.close());
  const { authenticator, use } = enforcing;

  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const decisions = new Counter({
    ...{ name: "countersign_decisions_total", help: "Decisions on requests, by code.", labelNames: ["code"] },
    registers: [registry],
  });
  registerDecisionGauges(registry, decisionReads(authenticator));
  registerAccountCounters(registry, () => accounts.entries());
  const gates = new Map<string, ConnectionGate>();
  registerGateMetrics(registry, gates);
  const metrics = { registry, decisions };
  const routing = startRouting({ config, authenticator, logger, use, metrics });
  opened.onStop(() => routing.stop());
  const server = createEnforceListener({
    ...{ authenticator, logger, limits, certificate },
    ...routing.entrances,
    ...{ http2: config.http2, refuseInTls: config.refuseInTls, resumption: config.resumption },
    onGate: (gate) => {
      gates.set("enforce", gate);
    },
  });
  const metricsServer = createHttpServer(
    timeLimits,
    metricsApp({ registry }, logger, () => routing.unreadiness()) as RequestListener,
  );
  limitAnswers(metricsServer);
  const ports = {
    enforce: await opened.listen("enforce", server, config, logger),
    metrics: await opened.listen("metrics", metricsServer, config, logger),
  };
  return {
    listening: {
      pid: process.pid,
      enforce: `https://${urlHost(config.listen.enforce.host)}:${String(ports.enforce)}`,
      metrics: `http://${urlHost(config.listen.metrics.host)}:${String(ports.metrics)}`,
      home,
    },
    reload() {
      routing.reload();
      try {
        server.setSecureContext(enforceTlsOptions(authenticator, readCertificate(files), config));
        logger.info({}, "the listener's certificate was read again");
      } catch (error) {
        logger.error({ err: error }, "the listener's certificate was not read again: the old one stays");
      }
    },
  };
}

/**
 * Reads the listener's own certificate and key.
 *
 * @throws Refusal FILE_UNREADABLE, CONFIG_INVALID; naming every fault of both files
 */
export function readCertificate(files: CertificateFiles): { readonly cert: Buffer; readonly key: Buffer } {
  const faults = new Faults();
  const cert = faults.attempt(() => readServerCertificate(files.cert));
  const key = faults.attempt(() => readPlainKey(files.key));
  if (!cert || !key) return faults.refuse("The listener's certificate");
  requireOptions("gateway", undefined, [], { certificate: { cert, key } });
  return { cert, key };
}

function readServerCertificate(path: string): Buffer {
  const pem = readInput(path);
  const { keyUsage } = readAs("a certificate", path, () => new X509Certificate(pem));
  const usages = keyUsage as string[] | undefined;
  if (!usages || usages.includes(purposeIds.serverAuth)) return pem;
  throw new Refusal("CONFIG_INVALID", `${path} is not a server's certificate: callers would not take it.`);
}

function readPlainKey(path: string): Buffer {
  const pem = readInput(path);
  readAs("a private key without a password", path, () => createPrivateKey(pem));
  return pem;
}

function readAs<Read>(what: string, path: string, read: () => Read): Read {
  try {
    return read();
  } catch {
    throw new Refusal("CONFIG_INVALID", `${path} is not ${what}.`); // what OpenSSL says of it could quote a key
  }
}
