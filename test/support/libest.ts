import { once } from "node:events";
import type { ConnectionOptions } from "node:tls";
import { certificatesIn } from "./est-curl.ts";
import { tlsTo } from "./tls-to.ts";

// What libest's `estclient` sends, and how it reads what it is answered. Debian stable has no package of it, and it cannot be
// built here: the requests are reconstructed from what its public source writes, and were not captured from a run of it.
// Each is one write; after its end comes one line end more, which Content-Length does not count.

const USER_AGENT = "libest client 1.0";
const END = "\r\n";

/** A GET, without its last line end. */
export function libestGet(url: string): string {
  return head("GET", url) + END;
}

/**
 * A POST of a CSR, without its last line end.
 *
 * @param csr PEM; sent as OpenSSL writes base64, in lines of 64 with a line feed after each
 */
export function libestPost(url: string, csr: string, user?: { name: string; password: string }): string {
  const body = csr.replace(/-----.*\n/g, "");
  const pair = user && Buffer.from(`${user.name}:${user.password}`).toString("base64");
  const authorization = pair === undefined ? "" : `Authorization: Basic ${pair}\r\n`;
  const type = `Content-Type: application/pkcs10\r\nContent-Length: ${String(body.length)}\r\n`;
  return head("POST", url) + type + authorization + END + body;
}

function head(method: string, url: string): string {
  const { pathname, hostname, port } = new URL(url);
  const lines = [
    ...[`${method} ${pathname} HTTP/1.1`, `User-Agent: ${USER_AGENT}`, "Connection: close"],
    ...[`Host: ${hostname}:${port}`, "Accept: */*"],
  ];
  return lines.map((line) => line + END).join("");
}

/** How that last line end goes out. libest's own write is one record of TLS; nothing may depend on it. */
export type LastLineEnd = "in the same record" | "in a record of its own" | "after the answer has begun";

/**
 * Sends a request on a connection of its own, and reads until the other side closes it.
 *
 * @returns all that was answered. Rejects when the connection is broken off.
 */
export async function exchange(
  request: string,
  url: string,
  tls: Pick<ConnectionOptions, "key" | "cert" | "ca">,
  lastLineEnd: LastLineEnd = "in the same record",
): Promise<string> {
  const socket = await tlsTo(url, tls);
  const ended = once(socket, "end"); // rejects when there is an error before
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  socket.write(lastLineEnd === "in the same record" ? request + END : request);
  if (lastLineEnd === "in a record of its own") socket.write(END);
  if (lastLineEnd === "after the answer has begun") {
    await Promise.race([once(socket, "data"), ended]);
    socket.write(END);
  }
  await ended;
  socket.destroy();
  return received;
}

export interface LibestAnswer {
  /** 200, 202, 204, 400, 401, 404 or 423; undefined of any other, which is a failure to it. */
  readonly status: number | undefined;
  /** By their names as they were written; it compares them so. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

const KNOWN =
  /^HTTP\/1\.1 (?:(200) OK|(202) Accepted|(204) No Content|(400) Bad Request|(401) Unauthorized|(404) Not Found|(423) Locked)\r\n/;
/** It reads no more of them. */
const MOST_HEADERS = 16;

/** What libest makes of an answer. Throws for what it can't read. */
export function libestReads(answer: string): LibestAnswer {
  const end = answer.indexOf("\r\n\r\n");
  const [, ...lines] = answer.slice(0, end).split("\r\n");
  if (end < 0 || lines.length > MOST_HEADERS) throw new Error(`libest can't read ${answer}`);
  const pairs = lines.map((line) => line.split(": ", 2) as [string, string]);
  const headers = new Map(pairs.reverse()); // the first of a name counts
  const body = answer.slice(end + 4);
  const length = Number(headers.get("Content-Length"));
  if (length !== body.length) throw new Error(`libest wants ${String(length)} octets of ${answer}`);
  const status = KNOWN.exec(answer)?.slice(1).find(Boolean);
  return { status: status === undefined ? undefined : Number(status), headers, body };
}

/** The certificates (PEM) in an answer, read as libest reads them: OpenSSL's base64 filter, and its PKCS#7. */
export async function libestCertificates({ body }: LibestAnswer): Promise<string[]> {
  const printed = await certificatesIn(body);
  return printed.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/g) ?? [];
}
