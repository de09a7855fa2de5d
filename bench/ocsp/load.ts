// The load, in a process of its own: a closed loop, with every request made beforehand.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import {
  type Named,
  certId,
  extensions,
  named,
  nonceOf,
  readSigned,
  requestOf,
} from "../../test/support/ocsp.ts";
import { type Connection, openConnection } from "../issue/connection.ts";
import { answerParent } from "../worker.ts";

const SPOT_CHECK_EVERY = 250;

export interface OcspJob {
  readonly url: string;
  /** The issuing CA's certificate, DER in base64. */
  readonly issuer: string;
  /** All of them good. */
  readonly serials: readonly string[];
  readonly hasNonce: boolean;
  /** Otherwise each request has a connection of its own. */
  readonly isKeptAlive: boolean;
  readonly connections: number;
}

export interface OcspRound {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Milliseconds, one for each request. */
  readonly latencies: readonly number[];
}

const methods = { prepare, run };
export type OcspLoadMethods = typeof methods;
answerParent(methods);

let job: OcspJob;
let issuer: Named;
let exchanges: readonly ((request: Buffer) => Promise<Buffer>)[];

async function prepare(wanted: OcspJob): Promise<void> {
  job = wanted;
  issuer = named(Buffer.from(job.issuer, "base64"));
  const url = new URL(job.url);
  exchanges = await Promise.all(
    Array.from({ length: job.connections }, async () => {
      if (!job.isKeptAlive) return (request: Buffer) => exchangeOnce(url, request);
      const connection: Connection = await openConnection(url, "");
      return async (request: Buffer) => {
        const { status, body } = await connection.exchange(request);
        if (status !== 200) throw new Error(`status ${String(status)}`);
        return body;
      };
    }),
  );
}

/** Sends that many requests. Rejects unless each is answered, and spot checks find the right answer, rightly signed. */
async function run(count: number): Promise<OcspRound> {
  const queue = Array.from({ length: count }, (_each, index) => makeRequest(index)).entries();
  const latencies: number[] = [];
  const samples: [nonce: string | undefined, body: Buffer][] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await Promise.all(
    exchanges.map(async (exchange) => {
      for (const [index, { nonce, bytes }] of queue) {
        const sent = performance.now();
        const body = await exchange(bytes);
        latencies.push(performance.now() - sent);
        if (body.length < 100) throw new Error("a failure for an answer");
        if (index % SPOT_CHECK_EVERY === 0) samples.push([nonce, body]);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  for (const [nonce, body] of samples) {
    const { isSigned, singles, ...read } = readSigned(body);
    if (!isSigned || singles[0]?.status !== "good" || read.nonce !== nonce) throw new Error("a wrong answer");
  }
  return { seconds, cpuSeconds: (user + system) / 1e6, latencies };
}

function makeRequest(index: number): { readonly nonce: string | undefined; readonly bytes: Buffer } {
  const { serials, url, hasNonce } = job;
  const nonce = hasNonce ? randomBytes(32) : undefined;
  const parts = nonce ? { requestExtensions: extensions(2, nonceOf(nonce)) } : {};
  const body = requestOf([certId(issuer, serials[index % serials.length] ?? "")], parts);
  const head = [
    "POST /ocsp HTTP/1.1",
    `Host: ${new URL(url).host}`,
    "Content-Type: application/ocsp-request",
    `Content-Length: ${String(body.length)}`,
    ...(job.isKeptAlive ? [] : ["Connection: close"]),
  ];
  const bytes = Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), body]);
  return { nonce: nonce?.toString("hex"), bytes };
}

/** HTTP/1.0, as `openssl ocsp` speaks it: an answer ends with its connection. */
async function exchangeOnce({ hostname, port }: URL, request: Buffer): Promise<Buffer> {
  const socket = connect(Number(port), hostname).setNoDelay(true).setTimeout(30_000);
  socket.once("timeout", () => socket.destroy(new Error("the server does not answer")));
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  socket.write(request);
  await once(socket, "end");
  socket.destroy();
  const answer = Buffer.concat(parts);
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0 || !/^HTTP\/1\.[01] 200 /.test(answer.toString("latin1", 0, 20))) throw new Error("no answer");
  return answer.subarray(end + 4);
}
