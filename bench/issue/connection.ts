import { once } from "node:events";
import { type Socket, connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";
import { AnswerReader, type HttpAnswer } from "./answer-reader.ts";

/** Milliseconds without a byte after which a server is given up. */
const STALLED = 30_000;

/** One kept-alive connection. */
export interface Connection {
  /** Sends a whole request; one at a time. */
  readonly exchange: (request: Buffer) => Promise<HttpAnswer>;
  readonly close: () => void;
}

/**
 * Connects over TLS, or over plain TCP to an http: URL.
 *
 * @param ca the root's certificate, PEM
 * @param client its certificate and key, PEM
 */
export async function openConnection(
  url: URL,
  ca: string,
  client?: { readonly cert: string; readonly key: string },
): Promise<Connection> {
  const { hostname: host, protocol } = url;
  const port = Number(url.port);
  const isTls = protocol === "https:";
  const socket: Socket = isTls
    ? connectTls({
        host,
        port,
        ca,
        servername: "localhost",
        ...(client && { cert: client.cert, key: client.key }),
      })
    : connectPlain({ host, port });
  await once(socket, isTls ? "secureConnect" : "connect");
  socket.setNoDelay(true);
  socket.setTimeout(STALLED);

  const reader = new AnswerReader();
  let waiting: PromiseWithResolvers<HttpAnswer> | undefined;
  const fail = (error: Error): void => {
    waiting?.reject(error);
    socket.destroy();
  };
  socket.on("error", fail);
  socket.on("close", () => {
    fail(new Error("the server closed the connection"));
  });
  socket.on("timeout", () => {
    fail(new Error("the server does not answer"));
  });
  socket.on("data", (part: Buffer) => {
    try {
      const answer = reader.push(part);
      if (answer) waiting?.resolve(answer);
    } catch (error) {
      fail(error as Error);
    }
  });
  return {
    exchange(request) {
      waiting = Promise.withResolvers();
      if (socket.destroyed) waiting.reject(new Error("the server closed the connection"));
      else socket.write(request);
      return waiting.promise;
    },
    close() {
      waiting = undefined;
      socket.destroy();
    },
  };
}
