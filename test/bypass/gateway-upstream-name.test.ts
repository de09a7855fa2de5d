import { createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround();
/** What the service was named in each handshake. */
const named: unknown[] = [];
let urls: Record<"right" | "wrong" | "address", string>;
const close: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const { enforcer, certificate, home } = ground.scene;
  const service = createServer({ ...certificate }, (_request, response) => {
    response.end("ok");
  });
  service.on("secureConnection", ({ servername }: TLSSocket) => named.push(servername));
  const { port } = new URL(await ground.scene.listen(service));
  const ca = join(home, "certs", "root.crt");
  const listen = async (upstream: object): Promise<string> => {
    const settings = { upstreams: { tls: { ca, ...upstream } }, routes: [{ path: "/**", upstream: "tls" }] };
    const gateway = enforcer.createGateway(settings, certificate);
    close.push(() => gateway.close());
    return ground.scene.listen(gateway.server);
  };
  urls = {
    right: await listen({ url: `https://localhost:${port}` }),
    wrong: await listen({ url: `https://localhost:${port}`, serverName: "orders.internal" }),
    address: await listen({ url: `https://127.0.0.1:${port}` }),
  };
});
afterAll(() => Promise.all(close.map((each) => each())));

async function ask(url: string, servername: string): Promise<string> {
  const socket = await tlsTo(url, ground.good, { servername, checkServerIdentity: () => undefined });
  const host = servername === "" ? "127.0.0.1" : servername;
  const answer = await exchange(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  return `${answer.slice(9, 12)} ${/"code":"(\w+)"/.exec(answer)?.[1] ?? ""}`.trim();
}

test("whose certificate the service has to have, no caller says by its Host", async () => {
  for (const host of ["", "api.example", "localhost"]) {
    expect(await ask(urls.right, host)).toBe("200");
    expect(await ask(urls.wrong, host)).toBe("502 UPSTREAM_UNREACHABLE");
    expect(await ask(urls.address, host)).toBe("200");
  }
  // Nor does another Host end the connections to it.
  expect(named.filter((name) => name === "localhost")).toHaveLength(1);
  expect(named).not.toContain("api.example");
});
