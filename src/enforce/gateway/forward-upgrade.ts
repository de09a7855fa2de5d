import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Dispatcher } from "undici";
import type { GatewayCode } from "../../domain/errors.ts";
import { codeOf } from "./forward.ts";
import { answerHeaders } from "./request-headers.ts";

/** A connection that is to leave HTTP. */
export interface ForwardedUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What has come on it already. */
  readonly head: Buffer;
  readonly dispatcher: Dispatcher;
  readonly target: string;
  /** What it is to become, such as `websocket`. */
  readonly protocol: string;
  readonly headers: readonly string[];
  readonly answerTime: number;
  /** For a free connection, milliseconds. */
  readonly patience: number;
}

/**
 * Asks an upstream to leave HTTP, and joins the two connections when it does: one ends with the other. An upstream that
 * does not is heard as well, and the caller's connection is closed after its answer.
 *
 * @returns why there was no answer of the upstream's, at the end of it all; nothing has been sent then
 */
export function forwardUpgrade(call: ForwardedUpgrade): Promise<GatewayCode | undefined> {
  const { request, socket, head, dispatcher, target, protocol, headers, answerTime, patience } = call;
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let hasBegun = false;
    let isTooLate = false;
    const waiting = setTimeout(() => {
      isTooLate = true;
      resolve("UPSTREAM_TIMEOUT");
    }, patience);
    socket.once("close", () => {
      clearTimeout(waiting);
      controller?.abort(new Error("the caller left"));
      resolve(undefined);
    });
    dispatcher.dispatch(
      {
        ...{ path: target, method: "GET", upgrade: protocol, headers: [...headers] },
        headersTimeout: answerTime,
      },
      {
        onRequestStart(given) {
          clearTimeout(waiting);
          controller = given;
          if (socket.destroyed || isTooLate) given.abort(new Error("the caller left"));
        },
        onRequestUpgrade(_controller, _status, answered, upstream) {
          controller = undefined;
          if (socket.destroyed) {
            upstream.destroy();
            return;
          }
          const own = [`HTTP/1.1 101 Switching Protocols`, "Connection: Upgrade", `Upgrade: ${protocol}`];
          socket.write([...own, ...lines(answered), "", ""].join("\r\n"), "latin1");
          upstream.write(head);
          join(socket, upstream);
        },
        onResponseStart(_controller, status, answered) {
          if (status < 200) return;
          hasBegun = true;
          const own = [`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ""}`, "Connection: close"];
          // With its length, or until the connection closes (RFC 9112 §6.3).
          socket.write([...own, ...lines(answered), "", ""].join("\r\n"), "latin1");
        },
        onResponseData(given, chunk) {
          if (socket.write(chunk)) return;
          given.pause();
          socket.once("drain", () => {
            given.resume();
          });
        },
        onResponseEnd() {
          socket.end();
        },
        onResponseError(_controller, error) {
          clearTimeout(waiting);
          if (hasBegun) socket.destroy();
          else resolve(codeOf(error));
        },
      },
    );
    request.resume();
  });
}

function lines(headers: Readonly<Record<string, string | string[] | undefined>>): string[] {
  return answerHeaders(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${value}`),
  );
}

/** Each gets what the other says; when one ends, so does the other. */
function join(a: Duplex, b: Duplex): void {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    one.pipe(other);
    one.once("error", () => other.destroy());
    one.once("close", () => other.destroy());
  }
}
