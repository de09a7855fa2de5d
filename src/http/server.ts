import { Server as HttpServer } from "node:http";
import type { Http2SecureServer, ServerHttp2Session } from "node:http2";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { Refusal } from "../domain/errors.ts";
import { MINUTE, SECOND } from "../domain/time.ts";

export type Server = HttpServer | HttpsServer | Http2SecureServer;

/** The HTTP/2 sessions that each server has open. */
const sessions = new WeakMap<Server, Set<ServerHttp2Session>>();

/** For how long answers under way may go on once a server is told to stop. */
const SHUTDOWN_LIMIT = 8 * SECOND;

/** For the listeners that take short requests; milliseconds. */
export const timeLimits = {
  headersTimeout: 15 * SECOND,
  requestTimeout: 30 * SECOND,
  keepAliveTimeout: 15 * SECOND,
};

/** For listeners that anybody may ask, for answers of tens of megabytes; milliseconds. */
export interface AnswerLimits {
  /** How long a client may read nothing of its answer; it may take up to twice that to be noticed. */
  readonly idle: number;
  /** How long it may take to read the whole. */
  readonly whole: number;
}

export const answerLimits: AnswerLimits = { idle: 30 * SECOND, whole: 10 * MINUTE };

/**
 * Cuts off who asks and does not read: Node has no limit of its own for that, and each would keep a large CRL in memory,
 * also when it was long replaced, or a connection for ever.
 */
export function limitAnswers(server: HttpServer, { idle, whole }: AnswerLimits = answerLimits): void {
  // Node looks at how much is still to be sent, so a slow reader is not an idle one.
  server.timeout = idle;
  const underWay = new WeakMap<Socket, number>();
  server.on("request", ({ socket }, response) => {
    const count = (underWay.get(socket) ?? 0) + 1;
    underWay.set(socket, count);
    if (count > MOST_PIPELINED) socket.destroy();
    const timer = setTimeout(() => socket.destroy(), whole);
    response.once("close", () => {
      clearTimeout(timer);
      underWay.set(socket, (underWay.get(socket) ?? 1) - 1);
    });
  });
}

/** Requests on one connection that wait for answers: each takes memory, and hardly any client sends two. */
const MOST_PIPELINED = 8;

/**
 * Starts listening; returns the port.
 *
 * @param flag what sets the address, for the error's sake
 * @param onFault told of what goes wrong later
 * @throws Refusal UNAVAILABLE when the address can't be had.
 */
export async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
  flag: string,
  onFault: (error: Error) => void,
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const fail = ({ code = "error" }: NodeJS.ErrnoException): void => {
      const place = `${host}:${String(port)}`;
      reject(new Refusal("UNAVAILABLE", `Cannot listen on ${place} (${code}). Choose another with ${flag}.`));
    };
    server.once("error", fail);
    server.listen(port, host, () => {
      server.off("error", fail);
      server.on("error", onFault); // a connection that could not be accepted must not end the process
      sessions.set(server, trackSessions(server));
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

/**
 * Stops accepting. Idle connections are closed at once, HTTP/2 sessions when their streams are done, the others when their answer is out; when the limit has passed,
 * whatever is left is cut, and a handshake that never ends isn't waited for.
 */
export async function stopListening(server: Server): Promise<void> {
  // A kept-alive connection becomes idle when its answer is out: Node looks for those only once.
  const sweep = setInterval(() => {
    HttpServer.prototype.closeIdleConnections.call(server);
  }, 50);
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    timer = setTimeout(() => {
      // The connections of HTTP/1.1, whatever else a server speaks.
      HttpServer.prototype.closeAllConnections.call(server);
      for (const session of sessions.get(server) ?? []) session.destroy();
      resolve();
    }, SHUTDOWN_LIMIT);
  });
  clearTimeout(timer);
  clearInterval(sweep);
}

function trackSessions(server: Server): Set<ServerHttp2Session> {
  const open = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    open.add(session);
    session.once("close", () => open.delete(session));
  });
  return open;
}
