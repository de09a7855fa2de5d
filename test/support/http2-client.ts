import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  connect,
} from "node:http2";
import type { SecureContextOptions } from "node:tls";

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly code: string | undefined;
}

/** An open session, whose other side has said what it allows; an error when it is closed before. */
export async function openSession(
  url: string,
  tls: SecureContextOptions & { readonly servername?: string },
): Promise<ClientHttp2Session> {
  const session = connect(url, { ...tls, checkServerIdentity: () => undefined });
  session.on("error", () => undefined);
  const closed = Promise.withResolvers<never>();
  session.once("close", () => {
    closed.reject(new Error("closed"));
  });
  closed.promise.catch(() => undefined); // of no interest later
  await Promise.race([once(session, "remoteSettings"), closed.promise]);
  return session;
}

/** One request on a session, answered whatever its status is. */
export async function ask(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): Promise<Http2Answer> {
  const { stream, ...begun } = await begin(session, path, headers);
  let text = "";
  stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  if (!stream.closed) await once(stream, "close");
  return { ...begun, text, code: /"code":"(\w+)"/.exec(text)?.[1] };
}

/** One request, as soon as its answer has begun. */
export async function begin(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): Promise<{
  readonly stream: ClientHttp2Stream;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}> {
  const stream = session.request({ ":path": path, ...headers });
  stream.on("error", () => undefined);
  const [answered] = (await once(stream, "response")) as [IncomingHttpHeaders & { ":status"?: number }];
  return { stream, status: answered[":status"] ?? 0, headers: answered };
}
