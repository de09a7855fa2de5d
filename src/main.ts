import { randomBytes } from "node:crypto";
import { type RequestListener, createServer as createHttpServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Config, ListenerName } from "./config.ts";
import { Refusal } from "./domain/errors.ts";
import { type Fingerprint, fingerprintOf } from "./domain/identifiers.ts";
import type { Clock, Database, Logger } from "./domain/ports.ts";
import { DAY, SECOND } from "./domain/time.ts";
import { Authenticator } from "./enforce/authenticator.ts";
import {
  askingTlsOptions,
  createEnforceListener,
  enforceTlsOptions,
  followTrust,
} from "./enforce/listener.ts";
import { ownRoutes } from "./enforce/own-routes.ts";
import { listenerFaults } from "./enforce/self-test.ts";
import { homePaths } from "./home/paths.ts";
import { certificateNames } from "./home/init.ts";
import { HomeIssuers } from "./home/issuers.ts";
import { LastSeenKeeper, readLastSeen, salvageLastSeen } from "./home/last-seen.ts";
import { ListenerCertificate, type TlsCertificate } from "./home/listener-certificate.ts";
import { issuingParts, openState, processIdentity, publicUrlOf, systemClock, urlHost } from "./home/open.ts";
import { loadProfiles } from "./home/profiles.ts";
import { mintTrials, signerFaults } from "./home/self-test.ts";
import { requireKeys, rootOfHome, warnOfEnds, warnOfRootKey } from "./home/start-checks.ts";
import { clearAllStaging } from "./home/staging.ts";
import { caApp } from "./http/ca-app.ts";
import { registerCredentialGauges } from "./http/credential-gauges.ts";
import { countOutcome, createMetrics, metricsApp } from "./http/metrics-app.ts";
import { publicApp } from "./http/public-app.ts";
import { type Server, limitAnswers, listen, stopListening, timeLimits } from "./http/server.ts";
import { makeKeyPair } from "./keys/key-pair.ts";
import { memorySigner } from "./keys/memory-signer.ts";
import { awaitFollowers } from "./services/await-followers.ts";
import { CrlPublisher } from "./services/crl-publisher.ts";
import { TokenDesk } from "./services/issue/authenticate.ts";
import { enrol } from "./services/issue/enrol.ts";
import type { Step } from "./services/issue/parts.ts";
import { OcspDelegates } from "./services/ocsp/delegates.ts";
import { OcspResponder } from "./services/ocsp/responder.ts";
import { KeyCompromiseDesk } from "./services/key-compromise.ts";
import { acceptOlderState, lastSeenOf, requireSameHistory } from "./services/older-state.ts";
import { revokeOwn } from "./services/own-revocation.ts";
import type { Mutation } from "./services/record-change.ts";
import { codec } from "./x509/codec.ts";
import { crlBuilder } from "./x509/crl-builder.ts";
import { keyProofs } from "./x509/key-proof.ts";
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
  /** Reads the profiles again; bad ones change nothing, and the log says why. */
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
  const opened: Opened = { servers: [], closers: [] };
  const stop = async (): Promise<void> => {
    await Promise.all(opened.servers.splice(0).map(stopListening));
    for (const close of opened.closers.splice(0).reverse()) await close();
  };
  try {
    return { ...(await start(config, password, logger, opened, onStep, accepting)), stop };
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

async function start(
  config: Config,
  password: string,
  logger: Logger,
  opened: Opened,
  onStep: ((step: Step) => void) | undefined,
  accepting: { readonly actor: string } | undefined,
): Promise<Pick<RunningServer, "listening" | "reload">> {
  const { closers } = opened;
  const { home } = config;
  const clock = systemClock;
  const database = await openState(config);
  closers.push(() => database.close());
  const issuers = await HomeIssuers.open(database, home, password);
  const root = rootOfHome(issuers.records, home);
  const keeper = new LastSeenKeeper(home, logger);
  if (accepting) await acceptOlder(database, { clock, ...accepting }, home, keeper, logger);
  else await requireSameHistory(database, readLastSeen(home));
  const newest = await database.changes.newest();
  keeper.onChanges(newest ? [newest] : []);
  closers.push(() => {
    keeper.stop();
    return undefined;
  });
  clearAllStaging(home); // an init that was cut short at its very end left a copy of the root key there
  warnOfRootKey(home, logger);
  await selfTest(issuers, clock);

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
  limitAnswers(publicServer);
  const publicPort = await open("public", publicServer);
  const publicUrl = publicUrlOf(config, publicPort);
  const parts = issuingParts(config, database, issuers, publicUrl, clock);
  let profiles = requireKeys(parts.profiles(), issuers);
  const desk = new TokenDesk(database, clock);
  const issuing = { ...parts, desk, onStep, profiles: () => profiles };

  const publisher = new CrlPublisher({
    ...{ database, newCrlBuilder: crlBuilder, publicUrl, clock, logger, crlLife: config.crlLife },
    issuers: () => issuers.opened,
    onCrl: (crl) => {
      keeper.onCrl(crl);
    },
  });
  closers.push(() => publisher.stop());
  const delegates = new OcspDelegates({
    issuing: parts,
    issuers: () => issuers.opened,
    makeSigner: async (keyType) => memorySigner((await makeKeyPair(keyType)).privateKey),
    logger,
  });
  closers.push(() => delegates.stop());
  const responder = new OcspResponder({
    ...{ database, codec, clock, logger, delegates },
    isCurrent: () => authenticator.isCurrent,
  });
  const certificate = await ListenerCertificate.open({
    home,
    password,
    issuing,
    issuer: () => issuers.forListeners(),
    names: certificateNames(config),
  });
  closers.push(() => certificate.close());
  const identity = processIdentity();
  const authenticator = await Authenticator.start({
    ...{ database, clock, logger, identity },
    onChanges: async (changes) => {
      if (changes.some(({ action }) => action.startsWith("issuer."))) await issuers.refresh(database, logger);
      publisher.onChanges(changes);
      responder.onChanges(changes);
      certificate.onChanges(changes);
      await delegates.onChanges(changes);
      keeper.onChanges(changes);
    },
    onWentBack: async () => {
      await issuers.refresh(database, logger);
      responder.onWentBack();
      publisher.onWentBack();
      await keeper.onWentBack(database);
      await delegates.onWentBack();
    },
  });
  closers.push(() => authenticator.close());
  await publisher.start();
  await delegates.start();

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
  const enforceServer = createEnforceListener({
    authenticator,
    certificate: certificate.current,
    logger,
    handler: ownRoutes,
    onDecision: (code) => {
      metrics.decisions.inc({ code });
    },
  });
  /** Waits until this server has applied changes that are on record; they hold, whatever comes of the waiting. */
  const applied = async (changes: { readonly first: number; readonly last: number }): Promise<void> => {
    const isOwn = ({ pid, host }: { pid: number; host: string }) =>
      pid === identity.pid && host === identity.host;
    await awaitFollowers(database, clock, changes, isOwn, config.waitSeconds * SECOND).catch(
      (error: unknown) => {
        logger.warn({ err: error }, "whether a revocation is applied could not be asked");
      },
    );
  };
  const compromises = new KeyCompromiseDesk({ database, clock, randomBytes, logger, keys: keyProofs });
  const app = caApp({
    enrol: (enrolment) => countOutcome(metrics.enrolments, () => enrol(issuing, enrolment)),
    ownRevocation: {
      authorize: async (request, response) => {
        const decision = await authenticator.authorize(request);
        authenticator.connections.answering(request.socket, response);
        return decision;
      },
      revoke: async (caller, id, reason) => {
        const revocation = await revokeOwn(database, clock, caller, id, reason);
        await applied({ first: revocation.first, last: revocation.sequence });
        return revocation;
      },
    },
    keyCompromise: {
      issueNonce: () => compromises.issueNonce(),
      prove: async (proof) => {
        const { revoked, spkiHash, first, last } = await compromises.prove(proof);
        await applied({ first, last });
        return { revoked: revoked.length, spkiHash };
      },
    },
    roots: toPem("CERTIFICATE", root.der),
    logger,
  });
  const caOptions = caTlsOptions(authenticator, certificate.current);
  const caServer = createTlsServer({ ...caOptions, ...timeLimits }, app);
  followTrust(caServer, authenticator, caOptions);
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
    unreadiness: () => (authenticator.isCurrent ? undefined : "the database does not answer"),
  });
  certificate.watch(logger, (renewed) => {
    caServer.setSecureContext(caTlsOptions(authenticator, renewed));
    enforceServer.setSecureContext(enforceTlsOptions(authenticator, renewed));
  });
  const daily = setInterval(() => {
    warnOfEnds(issuers.records, clock, logger);
  }, DAY).unref();
  warnOfEnds(issuers.records, clock, logger);
  closers.push(() => {
    clearInterval(daily);
    return undefined;
  });

  const ports = {
    ca: await open("ca", caServer),
    enforce: await open("enforce", enforceServer),
    metrics: await open("metrics", metricsServer),
  };
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
    try {
      profiles = requireKeys(loadProfiles(homePaths(home).profiles, issuers.records), issuers);
      logger.info({ profiles: [...profiles.keys()] }, "the profiles were read again");
    } catch (error) {
      logger.error({ err: error }, "the profiles were not read again: the old ones stay");
    }
  };
  return { listening, reload };
}

/** On record first, and then in the home: whoever is killed in between does it again. */
async function acceptOlder(
  database: Database,
  mutation: Mutation,
  home: string,
  keeper: LastSeenKeeper,
  logger: Logger,
): Promise<void> {
  const accepted = await acceptOlderState(database, mutation, salvageLastSeen(home));
  keeper.reset(await lastSeenOf(database));
  logger.warn(accepted, "an older state of the database was accepted; open tokens are void");
}

/** The CA listener asks for a certificate and needs none: most of its callers have tokens. */
function caTlsOptions(authenticator: Authenticator, certificate: TlsCertificate) {
  const options = askingTlsOptions(authenticator, certificate, "countersign-ca");
  return { ...options, handshakeTimeout: 10 * SECOND };
}

/** Nothing listens before it is proved that who is to be refused is refused, and that what is signed verifies. */
async function selfTest(issuers: HomeIssuers, clock: Clock): Promise<void> {
  const faults = await signerFaults(issuers.opened);
  try {
    faults.push(...(await listenerFaults(await mintTrials(clock), clock)));
  } catch (error) {
    throw new Refusal("SELF_TEST_FAILED", undefined, String(error));
  }
  if (faults.length > 0) throw new Refusal("SELF_TEST_FAILED", `The self-test failed: ${faults.join("; ")}.`);
}
