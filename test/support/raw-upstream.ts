import { type Socket, createServer } from "node:net";
import { afterAll, beforeAll } from "vitest";
import { type GatewayGround, listenOn } from "./gateway-scene.ts";

/** A service that keeps the octets that came, and answers with the octets that it is told to. */
export interface RawUpstream {
  /** Of the gateway before it. */
  url: string;
  /** What came, by connection. */
  readonly connections: string[];
  /** What to say to a request that has come whole; nothing, for `undefined`. */
  answer: (request: string, socket: Socket) => string | undefined;
}

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/**
 * Behind a gateway of its own; filled in before the first test of the file.
 *
 * @param upstream more of its settings
 */
export function rawUpstream(
  ground: GatewayGround,
  routes: readonly object[] = [{ path: "/**", upstream: "raw" }],
  upstream: object = {},
): RawUpstream {
  const raw: RawUpstream = { url: "", connections: [], answer: () => OK };
  const open = new Set<Socket>();
  // At once: what waits for an acknowledgement would come with the next call.
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    const place = raw.connections.push("") - 1;
    let unanswered = "";
    socket.on("error", () => undefined).on("close", () => open.delete(socket));
    socket.on("data", (piece) => {
      raw.connections[place] = `${raw.connections[place] ?? ""}${piece.toString("latin1")}`;
      unanswered += piece.toString("latin1");
      if (!isWhole(unanswered)) return;
      const said = raw.answer(unanswered, socket);
      unanswered = "";
      if (said !== undefined) socket.write(said, "latin1");
    });
  });
  let close = (): Promise<void> => Promise.resolve();
  beforeAll(async () => {
    const url = await listenOn(server);
    const { enforcer, certificate } = ground.scene;
    const gateway = enforcer.createGateway({ upstreams: { raw: { url, ...upstream } }, routes }, certificate);
    close = () => gateway.close();
    raw.url = await ground.scene.listen(gateway.server);
  });
  afterAll(async () => {
    for (const socket of open) socket.destroy();
    server.close();
    await close();
  });
  return raw;
}

/** As our side frames what it sends: a length, chunks, or nothing. */
function isWhole(request: string): boolean {
  const end = request.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const [head, body] = [request.slice(0, end), request.slice(end + 4)];
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) return body.length >= Number(length);
  return !/\r\ntransfer-encoding: chunked/i.test(head) || body.endsWith("0\r\n\r\n");
}
