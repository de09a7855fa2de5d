import { once } from "node:events";
import type { Server } from "node:https";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { afterAll, beforeAll } from "vitest";
import type { Handler, ServerSettings } from "../../src/index.ts";
import { type TestCredential, call } from "./client.ts";
import { DoorScene } from "./door-scene.ts";
import { tlsTo } from "./tls-to.ts";

/** Of a server that has no path open. */
type OneSettings = Omit<ServerSettings, "open" | "http2">;

/** What a client brings along in TLS. */
export type Brought = Partial<Pick<TestCredential, "key" | "cert">>;

/**
 * What the files of test/bypass stand on: a CA and an enforced service of a file's own, in the test's process, which
 * costs a tenth of a `serve`. The attacks come over real sockets.
 *
 * @example
 * const ground = bypassGround();
 * test("…", async () => {
 *   const victim = await ground.scene.credential("acme");
 *   expect(await ground.answer(victim)).toBe("200 acme");
 *   await ground.scene.revoke(victim);
 *   await expect.poll(() => ground.answer(victim)).toBe("403 CERT_REVOKED");
 * });
 */
export interface BypassGround {
  /** The home, the enforcer, the log of denials, and an admin's hand (`credential`, `revoke`, `suspend`, …). */
  readonly scene: DoorScene;
  /** A service of HTTP/1.1 that answers with the name of its caller's account; without a slash at its end. */
  readonly url: string;
  /** Of the account `acme`, which has the scope `orders:read`. */
  readonly good: TestCredential;
  /** Another server of the same enforcer; `server` is closed at the end of the file. */
  listen(
    settings?: OneSettings,
    handler?: Handler,
  ): Promise<{ readonly url: string; readonly server: Server }>;
  /** Another server that speaks HTTP/2 as well, with the same answer; its URL. */
  listenHttp2(settings?: Pick<ServerSettings, "limits">): Promise<string>;
  /** One request on a connection of its own: the status, then the account that it was taken for or the error's code. */
  answer(tls: Brought, path?: string, url?: string): Promise<string>;
  /** An open TLS connection of a client to `url` (the service). Destroy it. */
  connect(tls: Brought, options?: ConnectionOptions, url?: string): Promise<TLSSocket>;
}

/** Made before the first test of the file, taken away after the last; filled in from the first test on. */
export function bypassGround(): BypassGround {
  const ground = {} as { -readonly [Key in keyof BypassGround]: BypassGround[Key] };
  beforeAll(async () => {
    const scene = await DoorScene.open();
    Object.assign(ground, methods(scene));
    ground.scene = scene;
    await scene.account("acme", "orders:read");
    ground.good = await scene.credential("acme");
    ground.url = (await ground.listen()).url;
  });
  afterAll(() => ground.scene.close());
  return ground;

  function methods(scene: DoorScene): Pick<BypassGround, "listen" | "listenHttp2" | "answer" | "connect"> {
    return {
      async listen(settings = {}, handler = nameCaller) {
        const server = scene.enforcer.createServer(handler, scene.certificate, settings);
        return { url: await scene.listen(server), server };
      },
      listenHttp2(settings = {}) {
        const options = { ...settings, http2: true } as const;
        return scene.listen(scene.enforcer.createServer(nameCaller, scene.certificate, options));
      },
      async answer({ key, cert }, path = "/", url = ground.url) {
        const { status, json, text } = await call(url + path, { tls: { key, cert, ca: ground.good.ca } });
        return `${String(status)} ${typeof json["code"] === "string" ? json["code"] : text}`;
      },
      connect: ({ key, cert }, options = {}, url = ground.url) =>
        tlsTo(url, { key, cert, ca: ground.good.ca }, options),
    };
  }
}

/** One request on an open connection; what came back in the first piece of its answer. */
export async function ask(socket: TLSSocket, head = "GET / HTTP/1.1\r\nHost: 127.0.0.1"): Promise<string> {
  socket.write(`${head}\r\n\r\n`);
  const [piece] = (await once(socket, "data")) as [Buffer];
  return piece.toString("latin1");
}

const nameCaller: Handler = (_request, response, { account }) => {
  response.end(account);
};
