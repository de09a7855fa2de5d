import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type Dispatcher, errors } from "undici";
import { type GatewayCode, errorTable } from "../../domain/errors.ts";
import { SECOND } from "../../domain/time.ts";
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
  /** Told when the upstream has left HTTP, and the connections are joined. */
  readonly onUpgraded: () => void;
}

/** Octets from the caller, and to it, without headers. */
interface Octets {
  received: number;
  sent: number;
}

/**
 * Asks an upstream to leave HTTP, and joins the two connections when it does: one ends with the other. An upstream that
 * does not is heard as well, and the caller's connection is closed after its answer.
 *
 * @returns at the end of it all, how it was answered; with a code where nothing was sent, for there was no answer
 */
export function forwardUpgrade(
  call: ForwardedUpgrade,
): Promise<{ readonly status: number; readonly code: GatewayCode | undefined } & Readonly<Octets>> {
  const { request, socket, head, dispatcher, target, protocol, headers, answerTime, patience } = call;
  return new Promise((resolve) => {
    const octets: Octets = { received: 0, sent: 0 };
    const fail = (code: GatewayCode): void => {
      clearTimeout(waiting);
      resolve({ status: errorTable[code][0], code, ...octets });
    };
    let controller: Dispatcher.DispatchController | undefined;
    let answered: number | undefined;
    const waiting = setTimeout(() => {
      fail("UPSTREAM_TIMEOUT");
    }, patience);
    socket.once("close", () => {
      clearTimeout(waiting);
      resolve({ status: answered ?? 499, code: undefined, ...octets }); // first: the upstream is not to blame
      controller?.abort(new Error("the caller left"));
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
          if (socket.destroyed || socket.writableEnded) given.abort(new Error("the caller left"));
        },
        onRequestUpgrade(_controller, _status, given, upstream) {
          controller = undefined;
          const isAsked = String(given["upgrade"]).toLowerCase() === protocol;
          if (socket.destroyed || !isAsked) {
            upstream.destroy();
            fail("UPSTREAM_FAILED");
            return;
          }
          answered = 101;
          const own = [`HTTP/1.1 101 Switching Protocols`, "Connection: Upgrade", `Upgrade: ${protocol}`];
          socket.write([...own, ...lines(given), "", ""].join("\r\n"), "latin1");
          octets.received += head.length;
          upstream.write(head);
          join(socket, upstream, octets);
          call.onUpgraded();
        },
        onResponseStart(given, status, fields) {
          if (status === 101) given.abort(new errors.HTTPParserError("an upgrade to nothing"));
          if (status < 200) return;
          answered = status;
          const own = [`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ""}`, "Connection: close"];
          // With its length, or until the connection closes (RFC 9112 §6.3).
          socket.write([...own, ...lines(fields), "", ""].join("\r\n"), "latin1");
        },
        onResponseData(given, chunk) {
          octets.sent += chunk.length;
          if (socket.write(chunk)) return;
          given.pause();
          socket.once("drain", () => {
            given.resume();
          });
        },
        onResponseEnd() {
          socket.resume(); // what is left unread would reset the connection before the answer arrives
          socket.end(() => setTimeout(() => socket.destroy(), SECOND).unref());
        },
        onResponseError(_controller, error) {
          if (answered === undefined) fail(codeOf(error));
          else socket.destroy();
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
function join(caller: Duplex, upstream: Duplex, octets: Octets): void {
  for (const [one, other, way] of [
    [caller, upstream, "received"],
    [upstream, caller, "sent"],
  ] as const) {
    one.on("data", (chunk: Buffer) => (octets[way] += chunk.length));
    one.pipe(other);
    one.once("error", () => other.destroy());
    one.once("close", () => other.destroy());
  }
}
