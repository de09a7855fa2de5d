import { type RequestListener, createServer as createHttpServer } from "node:http";
import type { Config, ListenerName } from "./config.ts";
import { type Fingerprint, fingerprintOf } from "./domain/identifiers.ts";
import type { Logger } from "./domain/ports.ts";
import { DAY, SECOND } from "./domain/time.ts";
import { AccountCounts } from "./enforce/account-counts.ts";
import { createEnforceListener } from "./enforce/listener.ts";
import { enforceTlsOptions } from "./enforce/tls.ts";
import { UseRecorder } from "./enforce/use-recorder.ts";
import { certificateNames } from "./home/init.ts";
import { HomeIssuers } from "./home/issuers.ts";
import { ListenerCertificate } from "./home/listener-certificate.ts";
import {
  issuingParts,
  openState,
  processIdentity,
  publicUrlOf,
  systemClock,
  systemSteadyClock,
  urlHost,
} from "./home/open.ts";
import { homePaths } from "./home/paths.ts";
import { loadProfiles } from "./home/profiles.ts";
import { foreignAnchors, loadTrust } from "./home/trust.ts";
import { clearAllStaging } from "./home/staging.ts";
import { requireKeys, rootOfHome, warnOfEnds, warnOfRootKey } from "./home/start-checks.ts";
import { registerAccountCounters } from "./http/account-counters.ts";
import { countOutcome, metricsApp } from "./http/metrics-app.ts";
import { registerTrustGauges } from "./http/trust-gauges.ts";
import { publicApp } from "./http/public-app.ts";
import { type Server, limitAnswers, timeLimits } from "./http/server.ts";
import { openRequests } from "./serve/approval.ts";
import { caRoutes } from "./serve/ca-routes.ts";
import { createCaServer } from "./serve/ca-server.ts";
import { estParts } from "./serve/est.ts";
import { type Opened, started } from "./serve/opened.ts";
import { Renewals } from "./serve/renewals.ts";
import { startRouting } from "./serve/routing.ts";
import { startFollowing } from "./serve/following.ts";
import { TrustCrls } from "./serve/trust-crls.ts";
import { serverMetrics } from "./serve/metrics.ts";
import { keepHistory, selfTest } from "./serve/proofs.ts";
import { TokenDesk } from "./services/issue/authenticate.ts";
import { enrol } from "./services/issue/enrol.ts";
import { renew } from "./services/issue/renew.ts";
import type { Step } from "./services/issue/parts.ts";
import { UseWriter } from "./services/record-use.ts";
import { crlBuilder } from "./x509/crl-builder.ts";
import { pemPieces, toPem } from "./x509/pem.ts";

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
  /** Reads profiles and routes again; bad ones change nothing, and the log says why. */
  reload(): void;
  /** Stops accepting, lets what is under way finish within a limit, and closes everything. */
  stop(): Promise<void>;
}

/**
 * The composition root of `serve`: opens the home and starts the four listeners.
 *
 * @param password opens the issuing CAs' keys
 * @param onStep told of each step of issuing before it is taken
 * @param accepting goes on with a database that is older than what was seen before; it is recorded who does
 * @throws Refusal when anything is missing or wrong; nothing is left running then.
 */
export async function startServer(
  config: Config,
  password: string,
  logger: Logger,
  onStep?: (step: Step) => void,
  accepting?: { readonly actor: string },
): Promise<RunningServer> {
  return started((opened) => start(config, password, logger, opened, onStep, accepting));
}

async function start(
  config: Config,
  password: string,
  logger: Logger,
  opened: Opened,
  onStep: ((step: Step) => void) | undefined,
  accepting: { readonly actor: string } | undefined,
): Promise<Pick<RunningServer, "listening" | "reload">> {
  const { home } = config;
  const clock = systemClock;
  const trusted = loadTrust(config, clock.now());
  const database = await openState(config);
  opened.onStop(() => database.close());
  const issuers = await HomeIssuers.open(database, home, password);
  const root = rootOfHome(issuers.records, home);
  const keeper = await keepHistory({ database, clock, logger }, home, accepting);
  opened.onStop(() => {
    keeper.stop();
  });
  clearAllStaging(home); // an init that was cut short at its very end left a copy of the root key there
  warnOfRootKey(home, logger);
  await selfTest(issuers, clock);

  const open = (name: ListenerName, server: Server): Promise<number> =>
    opened.listen(name, server, config, logger);

  // The public listener first: with port 0, only now is the URL known that certificates carry.
  let servePublic: RequestListener = (_request, response) => response.writeHead(503).end();
  const publicServer = createHttpServer(timeLimits, (request, response) => {
    servePublic(request, response);
  });
  limitAnswers(publicServer);
  const publicPort = await open("public", publicServer);
  const publicUrl = publicUrlOf(config, publicPort);
  const parts = issuingParts(config, database, issuers, publicUrl, clock);
  let profiles = requireKeys(parts.profiles(), issuers);
  const desk = new TokenDesk(database, clock);
  const issuing = { ...parts, desk, onStep, profiles: () => profiles };

  const certificate = await ListenerCertificate.open({
    home,
    password,
    issuing,
    issuer: () => issuers.forListeners(),
    names: certificateNames(config),
  });
  opened.onStop(() => certificate.close());
  const identity = processIdentity();
  const accounts = new AccountCounts();
  const use = new UseRecorder(accounts);
  const useWriter = new UseWriter({ source: use, store: database.uses, logger });
  opened.onStop(() => useWriter.stop());
  const renewals = new Renewals({ database, clock, logger, use });
  opened.onStop(() => renewals.stop());
  const following = await startFollowing({
    ...{ database, clock, logger, identity, use, issuing: parts, publicUrl, newCrlBuilder: crlBuilder },
    validityClock: systemSteadyClock(),
    crlLife: config.crlLife,
    foreignAnchors: foreignAnchors(trusted),
    issuers: () => issuers.opened,
    refreshIssuers: () => issuers.refresh(database, logger),
    onCrl: (crl) => {
      keeper.onCrl(crl);
    },
    onChanges: (changes) => {
      certificate.onChanges(changes);
      keeper.onChanges(changes);
      renewals.onChanges(changes);
    },
    onEnded: (ended) => {
      renewals.onEnded(ended);
    },
    onWentBack: () => keeper.onWentBack(database),
  });
  opened.onStop(() => following.stop());
  const { authenticator, publisher, responder } = following;
  renewals.start();
  const trustCrls = await TrustCrls.start({ authenticator, clock, logger }, trusted);
  opened.onStop(() => trustCrls.stop());

  const metrics = serverMetrics(following, issuers, { database, clock, logger });
  renewals.register(metrics.registry);
  registerAccountCounters(metrics.registry, () => accounts.entries());
  registerTrustGauges(
    metrics.registry,
    () => clock.now(),
    () => trustCrls.held(),
  );
  const routing = startRouting({ config, authenticator, logger, use, metrics });
  opened.onStop(() => routing.stop());
  const enforceServer = createEnforceListener({
    authenticator,
    certificate: certificate.current,
    logger,
    ...routing.entrances,
    resumption: config.resumption,
    refuseInTls: config.refuseInTls,
    http2: config.http2,
    limits: config.limits,
    onGate: (gate) => {
      metrics.gates.set("enforce", gate);
    },
  });
  let enforcePort: number | undefined = undefined;
  const app = caRoutes({
    ...{ database, clock, logger, authenticator, identity, patience: config.waitSeconds * SECOND },
    enrol: (enrolment) => countOutcome(metrics.enrolments, () => enrol(issuing, enrolment)),
    renew: (own, wanted) => countOutcome(metrics.renewals, () => renew({ ...issuing, ...own }, wanted)),
    ask: openRequests(issuing, config.approval, logger),
    roots: toPem("CERTIFICATE", root.der),
    est: estParts(root.der, issuers, () => profiles),
    enforcePort: () => (isAtSameHost(config) ? enforcePort : undefined),
  });
  const caServer = createCaServer({ config, authenticator, certificate: certificate.current, logger, app });
  metrics.gates.set("ca", caServer.gate);
  const metricsServer = createHttpServer(timeLimits, metricsApp(metrics, logger) as RequestListener);
  limitAnswers(metricsServer);
  servePublic = publicApp({
    clock,
    logger,
    crl: (id) => publisher.latest(id),
    issuer: (id) => issuers.certificate(id),
    crlToPem: (der) => pemPieces("X509 CRL", der),
    ocsp: {
      responder,
      onAnswer: (outcomes) => {
        for (const status of outcomes) metrics.ocspAnswers.inc({ status });
      },
    },
    unreadiness: () => routing.unreadiness(),
  });
  certificate.watch(logger, (renewed) => {
    caServer.use(renewed);
    enforceServer.setSecureContext(enforceTlsOptions(authenticator, renewed, config));
  });
  const daily = setInterval(() => {
    warnOfEnds(issuers.records, clock, logger);
  }, DAY).unref();
  warnOfEnds(issuers.records, clock, logger);
  opened.onStop(() => {
    clearInterval(daily);
  });

  const ports = {
    ca: await open("ca", caServer.server),
    enforce: await open("enforce", enforceServer),
    metrics: await open("metrics", metricsServer),
  };
  enforcePort = ports.enforce;
  const listening = {
    pid: process.pid,
    ca: `https://${urlHost(config.listen.ca.host)}:${String(ports.ca)}`,
    enforce: `https://${urlHost(config.listen.enforce.host)}:${String(ports.enforce)}`,
    public: `http://${urlHost(config.listen.public.host)}:${String(publicPort)}`,
    metrics: `http://${urlHost(config.listen.metrics.host)}:${String(ports.metrics)}`,
    rootFingerprint: fingerprintOf(root.der),
    home,
  };
  const reload = (): void => {
    routing.reload();
    try {
      profiles = requireKeys(loadProfiles(homePaths(home).profiles, issuers.records), issuers);
      logger.info({ profiles: [...profiles.keys()] }, "the profiles were read again");
    } catch (error) {
      logger.error({ err: error }, "the profiles were not read again: the old ones stay");
    }
  };
  return { listening, reload };
}

/** Whether whoever reaches the CA listener at some host reaches the enforcement listener there too. */
function isAtSameHost({ listen: { ca, enforce } }: Config): boolean {
  return enforce.host === ca.host || ["0.0.0.0", "::"].includes(enforce.host);
}
