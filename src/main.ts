import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { type RequestListener, type Server, createServer as createHttpServer } from "node:http";
import { type Server as TlsServer, createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { type Config, type HostPort } from "./config.ts";
import { Refusal } from "./domain/errors.ts";
import { type Fingerprint, type IssuerId, fingerprintOf } from "./domain/identifiers.ts";
import type { Database, Logger } from "./domain/ports.ts";
import type { IssuerRecord } from "./domain/records.ts";
import { SECOND } from "./domain/time.ts";
import { Enforcer } from "./enforce/enforcer.ts";
import { createEnforceListener, enforceTlsOptions } from "./enforce/listener.ts";
import { ownRoutes } from "./enforce/own-routes.ts";
import { homePaths } from "./home/files.ts";
import { listenerNames } from "./home/init.ts";
import { ListenerCertificate, type TlsCertificate } from "./home/listener-certificate.ts";
import {
  certificatePem,
  issuingParts,
  openIssuer,
  openState,
  publicUrlOf,
  systemClock,
  urlHost,
} from "./home/open.ts";
import { caApp } from "./http/ca-app.ts";
import { createMetrics, metricsApp } from "./http/metrics-app.ts";
import { publicApp } from "./http/public-app.ts";
import { CrlPublisher } from "./services/crl-publisher.ts";
import { enrol } from "./services/issue/enrol.ts";
import { codec } from "./x509/codec.ts";
import { toPem } from "./x509/pem.ts";

/** For how long answers under way may go on once the server is told to stop. */
const SHUTDOWN_LIMIT = 8 * SECOND;

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
    await Promise.all(opened.servers.splice(0).map(closeServer));
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
  readonly servers: (Server | TlsServer)[];
  readonly closers: (() => Promise<unknown> | undefined)[];
}

async function start(config: Config, password: string, logger: Logger, opened: Opened): Promise<Listening> {
  const { closers } = opened;
  const { home, listen } = config;
  const clock = systemClock;
  const issuer = openIssuer(home, password);
  const database = await openState(config);
  closers.push(() => database.close());
  const { issuers, root } = await readIssuers(database);
  warnOfRootKey(home, logger);

  // The public listener first: with port 0, only now is the URL known that certificates carry.
  let servePublic: RequestListener = (_request, response) => response.writeHead(503).end();
  const publicServer = createHttpServer(timeLimits, (request, response) => {
    servePublic(request, response);
  });
  const publicPort = await listenOn(publicServer, listen.public, opened);
  const publicUrl = publicUrlOf(config, publicPort);
  const issuing = issuingParts(config, database, issuer, publicUrl, clock);

  const publisher = new CrlPublisher({ database, codec, issuer, clock, logger });
  closers.push(() => publisher.stop());
  const enforcer = await Enforcer.start({
    database,
    clock,
    logger,
    identity: { id: randomUUID(), pid: process.pid, host: hostname() },
    onChanges: (changes) => {
      publisher.onChanges(changes);
    },
  });
  closers.push(() => enforcer.close());
  await publisher.start();

  const metrics = createMetrics({
    credentials: () => enforcer.size,
    connections: () => enforcer.connections.openConnections,
    stalenessSeconds: () => enforcer.staleness / SECOND,
  });
  const certificate = await ListenerCertificate.open({
    home,
    password,
    issuing,
    names: listenerNames(config),
  });
  const enforceServer = createEnforceListener({
    enforcer,
    certificate: certificate.current,
    logger,
    handler: ownRoutes,
    onDecision: (code) => {
      metrics.decisions.inc({ code });
    },
  });
  const app = caApp({
    enrol: (enrolment) => counted(metrics.enrolments, () => enrol(issuing, enrolment)),
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
    unreadiness: () => (enforcer.isCurrent ? undefined : "the database does not answer"),
  }) as RequestListener;
  certificate.watch(logger, (renewed) => {
    caServer.setSecureContext(caTlsOptions(renewed));
    enforceServer.setSecureContext(enforceTlsOptions(enforcer, renewed));
  });
  closers.push(() => {
    certificate.close();
    return undefined;
  });

  const ports = {
    ca: await listenOn(caServer, listen.ca, opened),
    enforce: await listenOn(enforceServer, listen.enforce, opened),
    metrics: await listenOn(metricsServer, listen.metrics, opened),
  };
  return {
    pid: process.pid,
    ca: `https://${urlHost(listen.ca.host)}:${String(ports.ca)}`,
    enforce: `https://${urlHost(listen.enforce.host)}:${String(ports.enforce)}`,
    public: `http://${urlHost(listen.public.host)}:${String(publicPort)}`,
    metrics: `http://${urlHost(listen.metrics.host)}:${String(ports.metrics)}`,
    rootFingerprint: fingerprintOf(root.der),
    home,
  };
}

const timeLimits = {
  headersTimeout: 15 * SECOND,
  requestTimeout: 30 * SECOND,
  keepAliveTimeout: 15 * SECOND,
};

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
): Promise<{ issuers: ReadonlyMap<IssuerId, IssuerRecord>; root: IssuerRecord }> {
  const issuers = new Map((await database.issuers.list()).map((issuer) => [issuer.id, issuer]));
  const root = [...issuers.values()].find(({ role }) => role === "root");
  if (!root) throw new Refusal("CONFIG_INVALID", "The database lacks the home's root.");
  return { issuers, root };
}

function warnOfRootKey(home: string, logger: Logger): void {
  const { rootKey } = homePaths(home);
  if (!existsSync(rootKey)) return;
  logger.warn({ rootKey }, "the root key is still here: move it and its password offline");
}

async function counted<Result>(
  counter: { inc(labels: { code: string }): void },
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    const result = await work();
    counter.inc({ code: "ISSUED" });
    return result;
  } catch (error) {
    counter.inc({ code: error instanceof Refusal ? error.code : "INTERNAL" });
    throw error;
  }
}

async function listenOn(
  server: Server | TlsServer,
  { host, port }: HostPort,
  opened: Opened,
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new Refusal("UNAVAILABLE", `Cannot listen on ${host}:${String(port)} (${error.code ?? "error"}).`),
      );
    });
    server.listen(port, host, resolve);
  });
  opened.servers.push(server);
  return (server.address() as AddressInfo).port;
}

/**
 * Stops accepting. Idle connections are closed at once, the others when their answer is out; when the limit has passed,
 * whatever is left is cut, and a handshake that never ends isn't waited for.
 */
async function closeServer(server: Server | TlsServer): Promise<void> {
  // A kept-alive connection becomes idle when its answer is out: Node looks for those only once.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
  }, 50);
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    timer = setTimeout(() => {
      server.closeAllConnections();
      resolve();
    }, SHUTDOWN_LIMIT);
  });
  clearTimeout(timer);
  clearInterval(sweep);
}
