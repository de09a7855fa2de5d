// The load, in a process of its own: a closed loop over kept-alive connections, with everything made beforehand.
import { X509Certificate } from "node:crypto";
import { answerParent } from "../worker.ts";
import { type Connection, openConnection } from "./connection.ts";
import { type KeyType, keysFor, makeCsr, toCsrPem } from "./csr.ts";
import { type Dialect, type IssuedCertificate, dialects } from "./dialects.ts";

const SPOT_CHECK_EVERY = 50;

export interface LoadJob {
  /** https: or http: */
  readonly url: string;
  /** The root's certificate, PEM. */
  readonly ca: string;
  readonly dialect: keyof typeof dialects;
  readonly keyType: KeyType;
  readonly connections: number;
  /** One for each request. */
  readonly tokens: readonly string[];
  /** Whether the certificates are for the keys that were sent: not so with a canned answer. */
  readonly isGenuine: boolean;
}

export interface Round {
  readonly seconds: number;
  /** What this process spent on its own core. */
  readonly cpuSeconds: number;
  /** Milliseconds, one for each request. */
  readonly latencies: readonly number[];
}

const methods = { prepare, run };
export type LoadMethods = typeof methods;
answerParent(methods);

interface Load {
  readonly job: LoadJob;
  readonly dialect: Dialect;
  readonly connections: readonly Connection[];
  readonly requests: readonly Buffer[];
  /** Public keys (SPKI), for the spot checks alone. */
  readonly spkis: ReadonlyMap<number, Buffer>;
  readonly seen: Set<string>;
  next: number;
}

let load: Load;

async function prepare(job: LoadJob): Promise<{ distinctKeys: number }> {
  const url = new URL(job.url);
  const dialect: Dialect = dialects[job.dialect];
  const keys = keysFor(job.keyType);
  const spkis = new Map<number, Buffer>();
  const requests = job.tokens.map((token, index) => {
    const { der, spki } = makeCsr(job.keyType, keys.next());
    if (index % SPOT_CHECK_EVERY === 0) spkis.set(index, spki);
    return dialect.request(url.host, token, toCsrPem(der));
  });
  const opening = Array.from({ length: job.connections }, () => openConnection(url, job.ca));
  const connections = await Promise.all(opening); // last, so that the server doesn't find them idle
  load = { job, dialect, connections, requests, spkis, seen: new Set(), next: 0 };
  return { distinctKeys: keys.made };
}

/** Sends the next `count` requests. Rejects unless each gets a certificate, unlike all others, for its own key. */
async function run(count: number): Promise<Round> {
  const { connections, requests, dialect } = load;
  const first = load.next;
  const batch = requests.slice(first, (load.next += count));
  if (batch.length < count) throw new Error("more requests than were prepared");
  const queue = batch.entries(); // all connections take from it
  const latencies: number[] = [];
  const samples: [index: number, issued: IssuedCertificate][] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const drive = async (connection: Connection): Promise<void> => {
    for (const [offset, request] of queue) {
      const sent = performance.now();
      const answer = await connection.exchange(request);
      latencies.push(performance.now() - sent);
      const issued = dialect.read(answer);
      requireUnseen(issued);
      const index = first + offset;
      if (index % SPOT_CHECK_EVERY === 0) samples.push([index, issued]);
    }
  };
  await Promise.all(connections.map(drive));
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  if (load.job.isGenuine) for (const [index, issued] of samples) requireGenuine(index, issued);
  return { seconds, cpuSeconds: (user + system) / 1e6, latencies };
}

function requireUnseen({ fingerprint, serial = fingerprint }: IssuedCertificate): void {
  const { seen } = load;
  if (seen.has(`f${fingerprint}`) || seen.has(`s${serial}`)) throw new Error(`given twice: ${serial}`);
  seen.add(`f${fingerprint}`).add(`s${serial}`);
}

function requireGenuine(index: number, issued: IssuedCertificate): void {
  const certificate = new X509Certificate(issued.certificate);
  const spki = certificate.publicKey.export({ format: "der", type: "spki" });
  if (load.spkis.get(index)?.equals(spki) !== true) throw new Error("a certificate for another key");
  const fingerprint = certificate.fingerprint256.replaceAll(":", "").toLowerCase();
  if (fingerprint !== issued.fingerprint) throw new Error("a fingerprint of another certificate");
  const serial = certificate.serialNumber.toLowerCase().replace(/^0+/, "");
  if (issued.serial !== undefined && issued.serial !== serial) throw new Error("another serial");
}
