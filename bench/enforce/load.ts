// The load, in a process of its own: a closed loop, with every request made beforehand. Nothing is pipelined.
import { type SecureContext, type TLSSocket, connect, createSecureContext } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../statistics.ts";
import { answerParent } from "../worker.ts";
import { AT_ONCE, BODY, HOST, LARGE } from "./terms.ts";
import type { Identity } from "./scene.ts";

/**
 * Of requests on kept-alive connections, with a small answer, with 1 MB of it (`down`) or 1 MB to send (`up`); or connections
 * with one request each, with a full or a resumed handshake.
 */
export type Loading = "kept alive" | "down" | "up" | "full" | "resumed";

export interface LoadJob {
  readonly loading: Loading;
  readonly port: number;
  /** Of what is asked for, where it isn't what every server of the bench answers. */
  readonly page?: { readonly path: string; readonly ending: string };
}

export interface LoadRound {
  readonly count: number;
  readonly seconds: number;
  /** What this process spent on its own core. */
  readonly cpuSeconds: number;
  /** Milliseconds from a request to the end of its answer, of requests on kept-alive connections. */
  readonly p99: number | undefined;
}

const methods = { prepare, begin, wait: sleep, count, end };
export type LoadMethods = typeof methods;
answerParent(methods);

/** Milliseconds. */
const PATIENCE = 20_000;

let secureContext: SecureContext;
let running: Running | undefined;

interface Running {
  readonly job: LoadJob;
  answers: number;
  /** Milliseconds, since the count began. */
  times: number[];
  failure: Error | undefined;
  isOver: boolean;
  readonly sockets: Set<TLSSocket>;
  session: Buffer | undefined;
  /** Requests; after the last one the server closes. */
  readonly next: Buffer;
  readonly last: Buffer;
  /** Of a right answer. */
  readonly ending: Buffer;
}

/** TLS 1.3 with X25519 alone: what every server of the bench speaks. */
function prepare({ cert, key }: Identity): void {
  secureContext = createSecureContext({ cert, key, ecdhCurve: "X25519", minVersion: "TLSv1.3" });
}

/** Counts the right answers for a while, and on until there is one; rejects when there is none within 20 s. */
async function count(ms: number): Promise<LoadRound> {
  const state = current();
  const { answers: before } = state;
  state.times = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await sleep(ms);
  while (state.answers === before && !state.failure && performance.now() - begun < PATIENCE) await sleep(10);
  if (state.answers === before) throw state.failure ?? new Error("the server does not answer");
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const p99 = state.times.length === 0 ? undefined : percentile(state.times, 0.99);
  return { count: state.answers - before, seconds, cpuSeconds: (user + system) / 1e6, p99 };
}

/** Begins to load a server, until `end`. */
async function begin(job: LoadJob): Promise<void> {
  const state = newState(job);
  running = state;
  if (job.loading !== "full" && job.loading !== "resumed") {
    await Promise.all(Array.from({ length: AT_ONCE }, () => keepAsking(state)));
    return;
  }
  if (job.loading === "resumed") state.session = await takeSession(job);
  for (let i = 0; i < AT_ONCE; i += 1) askOnce(state);
}

/** Returns how many answers there were in all; rejects when one was not what is wanted. */
async function end(): Promise<number> {
  const state = current();
  state.isOver = true;
  const closed = [...state.sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
  for (const socket of state.sockets) socket.destroy();
  await Promise.all(closed);
  running = undefined;
  if (state.failure) throw state.failure;
  return state.answers;
}

function current(): Running {
  if (!running) throw new Error("no load has begun");
  return running;
}

function newState(job: LoadJob): Running {
  const isDown = job.loading === "down";
  const { path, ending } = job.page ?? {
    path: isDown ? "/large" : "/",
    ending: isDown ? LARGE.subarray(-64) : BODY,
  };
  const body = job.loading === "up" ? LARGE : Buffer.alloc(0);
  const method = body.length > 0 ? "POST" : "GET";
  const length = body.length > 0 ? `Content-Length: ${String(body.length)}\r\n` : "";
  const target = `${method} ${path} HTTP/1.1\r\nHost: ${HOST}\r\n${length}`;
  return {
    ...{ job, answers: 0, times: [], failure: undefined, isOver: false },
    ...{ sockets: new Set(), session: undefined },
    next: Buffer.concat([Buffer.from(`${target}\r\n`), body]),
    last: Buffer.from(`${target}Connection: close\r\n\r\n`),
    ending: Buffer.from(ending),
  };
}

function open(state: Running, onread?: (octets: number, buffer: Uint8Array) => boolean): TLSSocket {
  const { port } = state.job;
  const socket = connect({
    ...{ host: "127.0.0.1", port, servername: HOST, secureContext, rejectUnauthorized: false },
    ...(state.session && { session: state.session }),
    ...(onread && { onread: { buffer: Buffer.alloc(16_384), callback: onread } }),
  });
  socket.setNoDelay(true);
  state.sockets.add(socket);
  socket.on("error", (error) => (state.failure ??= error));
  socket.on("close", () => {
    state.sockets.delete(socket);
  });
  return socket;
}

const answered = Buffer.from("HTTP/1.1 200 ");

/** Whether those octets are a whole answer, and the right one. */
function isRight({ ending }: Running, octets: Buffer): boolean {
  return (
    octets.subarray(0, answered.length).equals(answered) && octets.subarray(-ending.length).equals(ending)
  );
}

/** Octets of an answer that begins so; its head comes in one piece. Not a number, if it is none. */
function lengthOf(octets: Buffer): number {
  if (!octets.subarray(0, answered.length).equals(answered)) return Number.NaN;
  const head = octets.indexOf("\r\n\r\n") + 4;
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(octets.toString("latin1", 0, head))?.[1];
  return head < 4 || length === undefined ? Number.NaN : head + Number(length);
}

/** Reads one answer after another, in whatever pieces they come; says of each piece whether an answer is whole with it. */
function answerReader({ ending }: Running): (octets: Buffer) => boolean | "wrong" {
  let missing = 0;
  return (octets) => {
    missing = (missing === 0 ? lengthOf(octets) : missing) - octets.length;
    if (missing > 0) return false;
    const isLast = octets.subarray(-ending.length).equals(ending.subarray(-octets.length));
    return missing === 0 && isLast ? true : "wrong";
  };
}

function keepAsking(state: Running): Promise<void> {
  return new Promise((resolve) => {
    const read = answerReader(state);
    let askedAt = 0;
    const ask = (): void => {
      askedAt = performance.now();
      socket.write(state.next);
    };
    const socket = open(state, (length, buffer) => {
      const octets = Buffer.from(buffer.buffer, buffer.byteOffset, length);
      const isWhole = read(octets);
      if (isWhole === "wrong") {
        state.failure ??= new Error(`a wrong answer: ${octets.toString("latin1")}`);
        socket.destroy();
      } else if (isWhole) {
        state.answers += 1;
        state.times.push(performance.now() - askedAt);
        ask();
      }
      return true;
    });
    socket.once("secureConnect", () => {
      ask();
      resolve();
    });
    socket.once("close", () => {
      if (!state.isOver) state.failure ??= new Error("a connection was closed");
      resolve();
    });
  });
}

function askOnce(state: Running): void {
  const socket = open(state);
  let received: Buffer = Buffer.alloc(0);
  socket.write(state.last);
  socket.on("data", (part: Buffer) => {
    received = received.length === 0 ? part : Buffer.concat([received, part]);
  });
  socket.on("secureConnect", () => {
    if (socket.isSessionReused() !== (state.session !== undefined)) {
      state.failure ??= new Error("a handshake is not of the kind that is measured");
    }
  });
  socket.on("close", () => {
    if (state.isOver || state.failure) return;
    if (isRight(state, received)) state.answers += 1;
    else state.failure = new Error(`a wrong answer: ${received.toString("latin1")}`);
    askOnce(state);
  });
}

/** A TLS 1.3 server sends its tickets after the handshake (RFC 8446 §4.6.1). */
async function takeSession(job: LoadJob): Promise<Buffer> {
  const state = newState(job);
  const socket = open(state);
  try {
    socket.write(state.last);
    return await new Promise<Buffer>((resolve, reject) => {
      socket.once("session", resolve).resume();
      socket.once("close", () => {
        reject(state.failure ?? new Error("the server gave no session"));
      });
    });
  } finally {
    socket.destroy();
  }
}
