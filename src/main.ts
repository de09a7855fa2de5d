import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { type RequestListener, createServer as createHttpServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Config, ListenerName } from "./config.ts";
import { Refusal } from "./domain/errors.ts";
import { type Fingerprint, type IssuerId, fingerprintOf } from "./domain/identifiers.ts";
import type { Database, Logger } from "./domain/ports.ts";
import type { IssuerRecord } from "./domain/records.ts";
import { SECOND } from "./domain/time.ts";
import { Authenticator } from "./enforce/authenticator.ts";
import { createEnforceListener, enforceTlsOptions } from "./enforce/listener.ts";
import { ownRoutes } from "./enforce/own-routes.ts";
import { readInput } from "./files/files.ts";
import { homePaths } from "./home/paths.ts";
import { certificateNames } from "./home/init.ts";
import { ListenerCertificate, type TlsCertificate } from "./home/listener-certificate.ts";
import {
  certificatePem,
  issuingParts,
  openIssuer,
  openState,
  processIdentity,
  publicUrlOf,
  systemClock,
  urlHost,
} from "./home/open.ts";
import { clearAllStaging } from "./home/staging.ts";
import { caApp } from "./http/ca-app.ts";
import { countOutcome, createMetrics, metricsApp } from "./http/metrics-app.ts";
import { publicApp } from "./http/public-app.ts";
import { type Server, listen, stopListening, timeLimits } from "./http/server.ts";
import { CrlPublisher } from "./services/crl-publisher.ts";
import { enrol } from "./services/issue/enrol.ts";
import { codec, issuerIdOf } from "./x509/codec.ts";
import { toPem } from "./x509/pem.ts";

export interface Listening {
  readonly pid: number;
  readonly ca: string;
  readonly enforce: string;
  readonly public: string;
  readonly metrics: string;
  readonly rootFingerprint: Fingerprint;
  readonly home: string;
}

export interface RunningServer {
  readonly listening: Listening;
  /** Stops accepting, lets what is under way finish within a limit, and closes everything. */
  stop(): Promise<void>;
}

/**
 * The composition root of `serve`: opens the home and starts the four listeners.
 *
 * @param password opens the issuing CA's key
 * @throws Refusal when anything is missing or wrong; nothing is left running then.
 */
export async function startServer(config: Config, password: string, logger: Logger): Promise<RunningServer> {
  const opened: Opened = { servers: [], closers: [] };
  const stop = async (): Promise<void> => {
    await Promise.all(opened.servers.splice(0).map(stopListening));
    for (const close of opened.closers.splice(0).reverse()) await close();
  };
  try {
    return { listening: await start(config, password, logger, opened), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What has to be closed: the servers together and first, then the rest, last opened first. */
interface Opened {
  readonly servers: Server[];
  readonly closers: (() => Promise<unknown> | undefined)[];
}

async function start(config: Config, password: string, logger: Logger, opened: Opened): Promise<Listening> {
  const { closers } = opened;
  const { home } = config;
  const clock = systemClock;
  const issuer = openIssuer(home, password);
  const database = await openState(config);
  closers.push(() => database.close());
  const { issuers, root } = await readIssuers(database, home);
  clearAllStaging(home); // an init that was cut short at its very end left a copy of the root key there
  warnOfRootKey(home, logger);

  const open = async (name: ListenerName, server: Server): Promise<number> => {
    const port = await listen(server, config.listen[name], `--${name}-listen HOST:PORT`, (error) => {
      logger.error({ err: error, listener: name }, "a connection could not be accepted");
    });
    opened.servers.push(server);
    return port;
  };

  // The public listener first: with port 0, only now is the URL known that certificates carry.
  let servePublic: RequestListener = (_request, response) => response.writeHead(503).end();
  const publicServer = createHttpServer(timeLimits, (request, response) => {
    servePublic(request, response);
  });
  const publicPort = await open("public", publicServer);
  const publicUrl = publicUrlOf(config, publicPort);
  const issuing = issuingParts(config, database, issuer, publicUrl, clock);

  const publisher = new CrlPublisher({ database, codec, issuer, clock, logger });
  closers.push(() => publisher.stop());
  const authenticator = await Authenticator.start({
    database,
    clock,
    logger,
    identity: processIdentity(),
    onChanges: (changes) => {
      publisher.onChanges(changes);
    },
  });
  closers.push(() => authenticator.close());
  await publisher.start();

  const metrics = createMetrics({
    credentials: () => authenticator.size,
    connections: () => authenticator.connections.openConnections,
    stalenessSeconds: () => authenticator.staleness / SECOND,
  });
  const certificate = await ListenerCertificate.open({
    home,
    password,
    issuing,
    names: certificateNames(config),
  });
  const enforceServer = createEnforceListener({
    authenticator,
    certificate: certificate.current,
    logger,
    handler: ownRoutes,
    onDecision: (code) => {
      metrics.decisions.inc({ code });
    },
  });
  const app = caApp({
    enrol: (enrolment) => countOutcome(metrics.enrolments, () => enrol(issuing, enrolment)),
    toPem: ({ der }) => certificatePem(der, issuer),
    roots: toPem("CERTIFICATE", root.der),
    logger,
  });
  const caServer = createTlsServer(
    { ...caTlsOptions(certificate.current), ...timeLimits },
    app as RequestListener,
  );
  const metricsServer = createHttpServer(timeLimits, metricsApp(metrics, logger) as RequestListener);
  servePublic = publicApp({
    clock,
    logger,
    crl: (id) => publisher.latest(id),
    issuer: (id) => issuers.get(id)?.der,
    crlToPem: (der) => toPem("X509 CRL", der),
    unreadiness: () => (authenticator.isCurrent ? undefined : "the database does not answer"),
  }) as RequestListener;
  certificate.watch(logger, (renewed) => {
    caServer.setSecureContext(caTlsOptions(renewed));
    enforceServer.setSecureContext(enforceTlsOptions(authenticator, renewed));
  });
  closers.push(() => {
    certificate.close();
    return undefined;
  });

  const ports = {
    ca: await open("ca", caServer),
    enforce: await open("enforce", enforceServer),
    metrics: await open("metrics", metricsServer),
  };
  return {
    pid: process.pid,
    ca: `https://${urlHost(config.listen.ca.host)}:${String(ports.ca)}`,
    enforce: `https://${urlHost(config.listen.enforce.host)}:${String(ports.enforce)}`,
    public: `http://${urlHost(config.listen.public.host)}:${String(publicPort)}`,
    metrics: `http://${urlHost(config.listen.metrics.host)}:${String(ports.metrics)}`,
    rootFingerprint: fingerprintOf(root.der),
    home,
  };
}

/** The CA listener asks nobody for a certificate: its callers have tokens. */
function caTlsOptions(certificate: TlsCertificate) {
  return {
    ...certificate,
    minVersion: "TLSv1.2",
    sessionIdContext: "countersign-ca",
    handshakeTimeout: 10 * SECOND,
  } as const;
}

async function readIssuers(
  database: Database,
  home: string,
): Promise<{ issuers: ReadonlyMap<IssuerId, IssuerRecord>; root: IssuerRecord }> {
  const issuers = new Map((await database.issuers.list()).map((issuer) => [issuer.id, issuer]));
  const root = issuers.get(issuerIdOf(new X509Certificate(readInput(homePaths(home).rootCert)).raw));
  if (root?.role !== "root") throw new Refusal("CONFIG_INVALID", "The database lacks the home's root.");
  return { issuers, root };
}

function warnOfRootKey(home: string, logger: Logger): void {
  const { rootKey } = homePaths(home);
  if (!existsSync(rootKey)) return;
  logger.warn({ rootKey }, "the root key is still here: move it and its password offline");
}
