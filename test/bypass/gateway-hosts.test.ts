import { beforeAll, expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround();
let url = "";
beforeAll(async () => {
  url = await ground.listen([
    { host: "127.0.0.1", path: "/**", upstream: "app", name: "address" },
    { host: "admin.example", path: "/**", upstream: "app", scopes: ["admin"] },
    { host: "internal.example", path: "/**", upstream: "app", name: "internal" },
    { path: "/**", upstream: "app", name: "any" },
  ]);
});

/** The status and code, or the Host that the service was told. */
async function ask(servername: string, head: string): Promise<string> {
  ground.asked.length = 0;
  const socket = await tlsTo(url, ground.good, { servername, checkServerIdentity: () => undefined });
  const answer = await exchange(socket, `${head}\r\nConnection: close\r\n\r\n`);
  socket.destroy();
  const [came] = ground.asked;
  if (answer.startsWith("HTTP/1.1 200 ") && came)
    return [came.headers.host, came.headers["x-forwarded-host"]].join(" ");
  expect(came).toBeUndefined();
  return `${answer.slice(9, 12)} ${/"code":"(\w+)"/.exec(answer)?.[1] ?? ""}`.trim();
}

test.concurrent.each([
  ["another host than SNI", "other.example", "Host: internal.example", "421 MISDIRECTED"],
  ["another host, without SNI", "", "Host: internal.example", "421 MISDIRECTED"],
  ["no host", "other.example", "X-A: b", "400"],
  ["an empty host", "other.example", "Host:", "421 MISDIRECTED"],
  [
    "two hosts, the first right",
    "other.example",
    "Host: other.example\r\nHost: admin.example",
    "421 MISDIRECTED",
  ],
  [
    "two hosts, the second right",
    "other.example",
    "Host: admin.example\r\nHost: other.example",
    "421 MISDIRECTED",
  ],
  ["two addresses", "", "Host: 127.0.0.1\r\nHost: 127.0.0.2", "400 TARGET_AMBIGUOUS"],
  ["the same host in two ways", "", "Host: 127.0.0.1\r\nHost: 127.0.0.1:443", "400 TARGET_AMBIGUOUS"],
  ["a list", "a.example,admin.example", "Host: a.example,admin.example", "400 TARGET_AMBIGUOUS"],
  ["two dots at its end", "admin.example..", "Host: admin.example..", "400 TARGET_AMBIGUOUS"],
  ["an encoded dot", "admin%2eexample", "Host: admin%2eexample", "400 TARGET_AMBIGUOUS"],
  ["a backslash", "a\\admin.example", "Host: a\\admin.example", "400 TARGET_AMBIGUOUS"],
  ["a port that is none", "", "Host: 127.0.0.1:80@admin.example", "421 MISDIRECTED"],
])("%s is refused", async (_name, sni, host, said) => {
  expect(await ask(sni, `GET /x HTTP/1.1\r\n${host}`)).toBe(said);
});

test.each([
  ["admin.example", "ADMIN.Example"],
  ["admin.example", "admin.example."],
  ["ADMIN.EXAMPLE", "admin.example:8443"],
  ["admin.example.", "Admin.Example.:1"],
])("SNI %s and Host %s are the same host, with its routes", async (sni, host) => {
  expect(await ask(sni, `GET /x HTTP/1.1\r\nHost: ${host}`)).toBe("403 SCOPE_MISSING");
});

test("the service is told the host that was decided on, and no other", async () => {
  expect(await ask("", "GET /x HTTP/1.1\r\nHost: 127.0.0.1:8443")).toBe("127.0.0.1:8443 127.0.0.1:8443");
  expect(await ask("Other.example", "GET /x HTTP/1.1\r\nHost: OTHER.Example")).toBe(
    "other.example other.example",
  );
  expect(await ask("", "GET /x HTTP/1.0")).toBe(`${new URL(ground.upstream).host} `);
});
