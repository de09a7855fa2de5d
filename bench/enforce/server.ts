// A Node server, in a process of its own: as it comes, or behind the enforcer.
import { constants } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_CIPHERS } from "node:tls";
import express from "express";
import { createEnforcer } from "../../src/index.ts";
import { memory } from "../procfs.ts";
import { answerParent } from "../worker.ts";
import { BODY, type Kind } from "./terms.ts";
import type { Identity } from "./scene.ts";

export interface ServerJob {
  readonly kind: Kind;
  readonly home: string;
  readonly service: Identity;
  /** PEM: what a server without the enforcer trusts. */
  readonly trust: readonly string[];
}

export interface ServerStarted {
  readonly port: number;
  /** From the home to a server that decides. */
  readonly loadMs: number;
  /** Resident, MiB: when it listens, and when the garbage of the start was collected. */
  readonly memory: { readonly started: number; readonly settled: number };
}

const methods = { listen, watchDelay, worstDelay };
export type ServerMethods = typeof methods;
answerParent(methods);

const SECOND = 1000;
const headers = { "Content-Type": "text/plain", "Content-Length": String(BODY.length) };
const plain = (_request: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, headers).end(BODY);
};

async function listen(job: ServerJob): Promise<ServerStarted> {
  const begun = performance.now();
  const server = await make(job);
  const loadMs = performance.now() - begun;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 1024, resolve));
  const started = memory(process.pid).now;
  await settle();
  const { port } = server.address() as AddressInfo;
  return { port, loadMs, memory: { started, settled: memory(process.pid).now } };
}

async function make({ kind, home, service, trust }: ServerJob): Promise<Server> {
  const app = express().disable("x-powered-by").disable("etag").get("/", plain);
  if (kind === "bare") return createBare(service, trust, plain);
  if (kind === "bare Express") return createBare(service, trust, app);
  const enforcer = await createEnforcer({ home });
  if (kind === "enforcer") return enforcer.createServer(plain, service);
  return enforcer.createServer((request, response) => {
    app(request, response);
  }, service);
}

/** node:https with the settings of the enforcer's listener, spelled out. */
function createBare({ cert, key }: Identity, trust: readonly string[], handler: RequestListener): Server {
  return createServer(
    {
      ...{ cert, key, ca: [...trust], requestCert: true, rejectUnauthorized: false },
      ...{ minVersion: "TLSv1.2", secureOptions: constants.SSL_OP_NO_RENEGOTIATION },
      ciphers: `TLS_AES_128_GCM_SHA256:${DEFAULT_CIPHERS}`,
      ecdhCurve: "X25519MLKEM768/X25519:prime256v1:secp384r1",
      sessionIdContext: "bench",
      ...{ handshakeTimeout: 10 * SECOND, headersTimeout: 15 * SECOND, requestTimeout: 60 * SECOND },
      ...{ keepAliveTimeout: 65 * SECOND, connectionsCheckingInterval: 5 * SECOND, maxHeaderSize: 16 * 1024 },
      sessionTimeout: 3600,
    },
    handler,
  );
}

/** V8 gives back what a start has left when it has nothing else to do. */
async function settle(): Promise<void> {
  const { setFlagsFromString } = await import("node:v8");
  const { runInNewContext } = await import("node:vm");
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i += 1) {
    collect();
    await sleep(50);
  }
}

/** Milliseconds: the interval itself is in what is recorded. */
const RESOLUTION = 5;
let histogram: ReturnType<typeof monitorEventLoopDelay> | undefined;

function watchDelay(): void {
  histogram ??= monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.reset();
  histogram.enable();
}

/** What was seen since; milliseconds. */
function worstDelay(): { readonly p99: number; readonly max: number } {
  if (!histogram) return { p99: Number.NaN, max: Number.NaN };
  histogram.disable();
  const beyond = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
  return { p99: beyond(histogram.percentile(99)), max: beyond(histogram.max) };
}
