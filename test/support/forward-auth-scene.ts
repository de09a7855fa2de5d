import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll } from "vitest";
import { changeConfig } from "./change-config.ts";
import { type TestAnswer, type TestCredential, type TestRequest, call, enrolled } from "./client.ts";
import { freshHome } from "./fresh-home.ts";
import { type TestServer, serveHome } from "./server.ts";
import { makeWorkspace } from "./workspace.ts";

/** A `serve` that proxies ask, and a proxy of the account `edge` that it believes. */
export interface ForwardAuthScene {
  readonly server: TestServer;
  edge: TestCredential;
  /** Of the account `acme`, which has the scope `orders:read`. */
  readonly good: TestCredential;
  /** A new credential, of an account that is made with these options if there is none. */
  caller(account: string, ...options: string[]): Promise<TestCredential>;
  /** Asks as `edge`, or as whoever is named. */
  ask(
    said: Record<string, string | string[]>,
    request?: Omit<TestRequest, "headers" | "tls"> & {
      readonly query?: string;
      readonly by?: Partial<TestCredential>;
    },
  ): Promise<TestAnswer>;
}

/** Made before the first test of the file, taken away after the last; filled in from the first test on. */
export function forwardAuthScene(
  changes: Record<string, unknown> = { forwardAuth: { accounts: ["edge"] } },
  serve: readonly string[] = [],
): ForwardAuthScene {
  const scene = {} as { -readonly [Key in keyof ForwardAuthScene]: ForwardAuthScene[Key] };
  beforeAll(async () => {
    const workspace = await makeWorkspace();
    const home = workspace.file("home");
    await freshHome(home);
    changeConfig(home, changes);
    const server = await serveHome(workspace, { serve });
    const caller: ForwardAuthScene["caller"] = async (account, ...options) => {
      if (options.length > 0) await server.admin("account", "create", account, ...options);
      return enrolled(server, await server.token(account));
    };
    const ask: ForwardAuthScene["ask"] = (headers, { query = "", by = scene.edge, agent, ...rest } = {}) => {
      const { key, cert } = by;
      const tls = agent ? {} : { tls: { key, cert, ca: scene.edge.ca } };
      return call(`${server.enforce}/forward-auth${query}`, {
        ...{ ...rest, ...tls, headers },
        ...(agent && { agent }),
      });
    };
    Object.assign(scene, { server, caller, ask });
    scene.edge = await caller("edge");
    scene.good = await caller("acme", "--scopes", "orders:read");
  });
  afterAll(async () => {
    await scene.server.stop();
    await scene.server.workspace.remove();
  });
  return scene;
}

/** A certificate (PEM; the first of several) as proxies pass it on. */
export const passedOn = {
  rfc9440: (pem: string) => `:${inBase64(pem)}:`,
  bare: (pem: string) => inBase64(pem),
  escaped: (pem: string) => encodeURIComponent(new X509Certificate(pem).toString()),
} as const;

function inBase64(pem: string): string {
  return new X509Certificate(pem).raw.toString("base64");
}

/** The status, then the account or the error's code. */
export function toldIn({ status, headers, json }: TestAnswer): string {
  const code = json["code"] ?? headers["x-client-account"];
  return `${String(status)} ${typeof code === "string" ? code : ""}`.trim();
}
