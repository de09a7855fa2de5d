import { once } from "node:events";
import { type TLSSocket, connect } from "node:tls";
import type { Brought } from "./bypass-ground.ts";

// HTTP/2 as octets (RFC 9113), for what no client library would send.

const [DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY] = [0, 1, 3, 4, 7];
const [END_STREAM, END_HEADERS] = [1, 4];

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What every connection begins with. @param window how much of an answer may be sent before it is asked for more */
export function preface(window?: number): Buffer {
  const setting = Buffer.alloc(window === undefined ? 0 : 6);
  if (window !== undefined) {
    setting.writeUInt16BE(4, 0); // SETTINGS_INITIAL_WINDOW_SIZE
    setting.writeUInt32BE(window, 2);
  }
  return Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(SETTINGS, 0, 0, setting)]);
}

/** `GET /` to 127.0.0.1. @param isWhole whether the headers come to their end */
export function get(stream: number, authority: string, isWhole = true): Buffer {
  const fields = { ":method": "GET", ":scheme": "https", ":authority": authority, ":path": "/" };
  const block = Object.entries(fields).map(([name, value]) =>
    Buffer.concat([
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]),
  );
  return frame(HEADERS, END_STREAM | (isWhole ? END_HEADERS : 0), stream, Buffer.concat(block));
}

/** A request of these fields, as they are; each name and value of less than 127 octets. */
export function fields(
  stream: number,
  all: readonly (readonly [name: string, value: string])[],
  isEnd = true,
): Buffer {
  const block = all.flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name, "latin1"),
    Buffer.from([value.length]),
    Buffer.from(value, "latin1"),
  ]);
  return frame(HEADERS, (isEnd ? END_STREAM : 0) | END_HEADERS, stream, Buffer.concat(block));
}

/** Some of a body, and not its end. */
export function data(stream: number, text: string): Buffer {
  return frame(DATA, 0, stream, Buffer.from(text));
}

/** @param code CANCEL, unless it says otherwise (RFC 9113 §7) */
export function reset(stream: number, code = 8): Buffer {
  return frame(RST_STREAM, 0, stream, Buffer.from([0, 0, 0, code]));
}

/** That nothing more is to come: the other side answers what it has, and closes. */
export function goAway(): Buffer {
  return frame(GOAWAY, 0, 0, Buffer.alloc(8));
}

/** A TLS connection on which HTTP/2 was agreed, and nothing said. */
export async function rawHttp2(url: string, tls: Brought): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(url);
  const options = { host, port: Number(port), ALPNProtocols: ["h2"], rejectUnauthorized: false };
  const socket = connect({
    ...options,
    ...(tls.key === undefined ? {} : { key: tls.key, cert: tls.cert ?? "" }),
  });
  socket.on("error", () => undefined).resume();
  await once(socket, "secureConnect");
  return socket;
}
