import { once } from "node:events";
import { type IncomingMessage, type RequestListener, type Server, createServer } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll } from "vitest";
import type { GatewayServer } from "../../src/index.ts";
import type { TestCredential } from "./client.ts";
import { DoorScene } from "./door-scene.ts";

/** What an upstream was asked, as it came. */
export interface Asked {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
}

/** A CA, a service behind a gateway, and a caller, in the test's process; the calls come over real sockets. */
export interface GatewayGround {
  readonly scene: DoorScene;
  /** Of the gateway; without a slash at its end. */
  readonly url: string;
  readonly gateway: GatewayServer;
  /** `http://127.0.0.1:PORT` of the service. */
  readonly upstream: string;
  readonly service: Server;
  /** What came to the service, unless it has a handler of its own. */
  readonly asked: Asked[];
  /** Of the account `acme`, which has the scope `orders:read`. */
  readonly good: TestCredential;
  /** Another gateway to the same service: its URL. */
  listen(
    routes: readonly object[],
    options?: Parameters<DoorScene["enforcer"]["createGateway"]>[2],
  ): Promise<string>;
}

/** As the service answers, unless it has a handler: with what it was told of its caller. */
function echo(asked: Asked[]): RequestListener {
  return (request, response) => {
    const { method = "", url: target = "", headers, rawHeaders } = request;
    asked.push({ method, target, headers, rawHeaders });
    request.resume().once("end", () => {
      response.end(String(headers["x-client-account"] ?? "nobody"));
    });
  };
}

/** Made before the first test of the file, taken away after the last; filled in from the first test on. */
export function gatewayGround(
  options: { readonly routes?: readonly object[]; readonly handler?: RequestListener } = {},
): GatewayGround {
  const ground = {} as { -readonly [Key in keyof GatewayGround]: GatewayGround[Key] };
  const gateways: GatewayServer[] = [];
  beforeAll(async () => {
    const scene = await DoorScene.open();
    const asked: Asked[] = [];
    const service = createServer({ keepAliveTimeout: 60_000 }, options.handler ?? echo(asked));
    const upstream = await listenOn(service);
    const listen: GatewayGround["listen"] = async (routes, settings) => {
      const given = { upstreams: { app: { url: upstream } }, routes };
      const gateway = scene.enforcer.createGateway(given, scene.certificate, settings);
      gateways.push(gateway);
      return scene.listen(gateway.server);
    };
    await scene.account("acme", "orders:read");
    const good = await scene.credential("acme");
    Object.assign(ground, { scene, asked, service, upstream, listen, good });
    ground.url = await listen(options.routes ?? [{ path: "/**", upstream: "app" }]);
    const [gateway] = gateways;
    if (gateway) ground.gateway = gateway;
  });
  afterAll(async () => {
    ground.service.closeAllConnections();
    ground.service.close();
    for (const { server } of gateways) server.close();
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await ground.scene.close();
  });
  return ground;
}

/** On a free port of 127.0.0.1; returns `http://127.0.0.1:PORT`. */
export async function listenOn(server: NetServer): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

/** One raw exchange on an open connection: all that came until it was quiet or closed. */
export async function exchange(socket: TLSSocket, octets: string | Buffer, quietMs = 300): Promise<string> {
  let received = "";
  const onData = (piece: Buffer): void => void (received += piece.toString("latin1"));
  socket.on("data", onData);
  socket.write(octets);
  const closed = once(socket, "close").then(() => true);
  for (let before = -1; before !== received.length || received === "";) {
    before = received.length;
    const isClosed = await Promise.race([
      closed,
      new Promise((resolve) => setTimeout(resolve, quietMs, false)),
    ]);
    if (isClosed === true) break;
  }
  socket.off("data", onData);
  return received;
}
