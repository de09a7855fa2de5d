import { expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround({
  routes: [
    { path: "/**", upstream: "app" },
    { path: "/admin/**", upstream: "app", scopes: ["admin"] },
  ],
});

async function ask(line: string, more = "Host: 127.0.0.1"): Promise<string> {
  ground.asked.length = 0;
  const socket = await tlsTo(ground.url, ground.good);
  const answer = await exchange(socket, `${line} HTTP/1.1\r\n${more}\r\nConnection: close\r\n\r\n`);
  socket.destroy();
  const [came] = ground.asked;
  if (came) return [came.method, came.target, came.headers.host].join(" ");
  return `${answer.slice(9, 12)} ${/"code":"(\w+)"/.exec(answer)?.[1] ?? ""}`.trim();
}

test.concurrent.each([
  ["GET https://127.0.0.1/admin", "403 SCOPE_MISSING"],
  ["GET http://127.0.0.1/%61dmin/x", "403 SCOPE_MISSING"],
  ["GET HTTPS://127.0.0.1/admin?x", "403 SCOPE_MISSING"],
  ["GET https://127.0.0.1/x/../admin", "400 TARGET_AMBIGUOUS"],
  ["GET https://127.0.0.1/admin/../x", "400 TARGET_AMBIGUOUS"],
  ["GET https://127.0.0.1/x/%2e%2e/admin", "400 TARGET_AMBIGUOUS"],
  ["GET https://127.0.0.1//admin", "400 TARGET_AMBIGUOUS"],
  ["GET https://127.0.0.1/x#/../admin", "400 TARGET_AMBIGUOUS"],
  ["GET https:////127.0.0.1/admin", "400 TARGET_AMBIGUOUS"],
  ["GET https://127.0.0.2/x", "400 TARGET_AMBIGUOUS"],
  ["GET https://127.0.0.1:444/x", "400 TARGET_AMBIGUOUS"],
  ["GET https://admin.internal/x", "421 MISDIRECTED"],
  ["GET https://127.0.0.1@admin.internal/x", "421 MISDIRECTED"],
  ["GET ftp://127.0.0.1/admin", "421 MISDIRECTED"],
  ["GET file:///admin", "421 MISDIRECTED"],
  ["GET admin", "400"],
  ["GET 127.0.0.1:443", "400"],
  ["GET ?/admin", "400"],
  ["OPTIONS *", "400 TARGET_AMBIGUOUS"],
  ["GET *", "400 TARGET_AMBIGUOUS"],
  ["CONNECT 127.0.0.1:443", ""],
  ["CONNECT /admin", ""],
  ["GET https://127.0.0.1\\admin/x", "400"],
  ["TRACE /x", "405 METHOD_NOT_ALLOWED"],
])("%s: %s", async (line, said) => {
  expect(await ask(line)).toBe(said);
});

test.each([
  ["GET https://127.0.0.1/x/y?z=/../admin", "GET /x/y?z=/../admin 127.0.0.1"],
  ["GET https://user:word@127.0.0.1/x", "GET /x 127.0.0.1"],
  ["GET https://127.0.0.1", "GET / 127.0.0.1"],
  ["GET https://127.0.0.1?/admin", "GET /?/admin 127.0.0.1"],
  ["GET /x?https://admin.internal/", "GET /x?https://admin.internal/ 127.0.0.1"],
])("what goes on is what was decided on: %s", async (line, said) => {
  expect(await ask(line)).toBe(said);
});
