import { once } from "node:events";
import { beforeAll, expect, test } from "vitest";
import { gatewayGround } from "../support/gateway-scene.ts";
import { fields, goAway, preface, rawHttp2 } from "../support/http2-frames.ts";

const ground = gatewayGround();
let url = "";
beforeAll(async () => {
  url = await ground.listen(
    [
      { path: "/**", upstream: "app" },
      { path: "/admin/**", upstream: "app", scopes: ["admin"] },
      { path: "/read", methods: ["GET"], upstream: "app" },
    ],
    { http2: true },
  );
});

type Field = readonly [name: string, value: string];

/** `:method`, `:scheme`, `:authority`, `:path` by default; what the service got, if anything, on a session of its own. */
async function send(pseudo: Record<string, string>, more: readonly Field[] = []) {
  const named = { ":method": "GET", ":scheme": "https", ":authority": "127.0.0.1", ":path": "/x", ...pseudo };
  const socket = await rawHttp2(url, ground.good);
  const before = ground.asked.length;
  const all = Object.entries(named).filter(([, value]) => value !== "none");
  socket.write(Buffer.concat([preface(), fields(1, [...all, ...more]), goAway()]));
  await once(socket, "close");
  return ground.asked.slice(before);
}

test.each<[string, Record<string, string>, Field[]]>([
  ["a path without a slash", { ":path": "admin" }, []],
  ["a path of another scheme, without a slash", { ":path": "admin", ":scheme": "ftp" }, []],
  ["an empty path", { ":path": "" }, []],
  ["no path", { ":path": "none" }, []],
  ["a path with a space", { ":path": "/x /admin" }, []],
  ["a path with a line", { ":path": "/x HTTP/1.1\r\nX-Client-Account: root\r\n\r\n" }, []],
  ["a path with dot segments", { ":path": "/x/../admin" }, []],
  ["an absolute path, with dot segments", { ":path": "https://127.0.0.1/x/../admin" }, []],
  ["a path with a fragment", { ":path": "/x#/admin" }, []],
  ["another authority", { ":authority": "internal.example" }, []],
  ["an authority with a line", { ":authority": "127.0.0.1\r\nX-A: b" }, []],
  ["no authority", { ":authority": "none" }, []],
  ["a host that differs", {}, [["host", "internal.example"]]],
  ["an address that differs", {}, [["host", "127.0.0.2"]]],
  ["a second path", {}, [[":path", "/admin"]]],
  ["a second authority", {}, [[":authority", "127.0.0.2"]]],
  [
    "a path behind the headers",
    { ":path": "none" },
    [
      ["x-a", "b"],
      [":path", "/x"],
    ],
  ],
  ["a pseudo-header that there is not", {}, [[":account", "root"]]],
  ["a method with a line", { ":method": "GET /admin HTTP/1.1\r\nX-A: b\r\n\r\nGET" }, []],
  ["a method in small letters", { ":method": "get", ":path": "/read" }, []],
  ["TRACE", { ":method": "TRACE" }, []],
  ["CONNECT", { ":method": "CONNECT", ":path": "none", ":scheme": "none" }, []],
  ["a name in capitals", {}, [["X-Client-Account", "root"]]],
  ["te", {}, [["te", "gzip"]]],
  ["connection", {}, [["connection", "x-client-account"]]],
  ["chunks", {}, [["transfer-encoding", "chunked"]]],
  ["upgrade", {}, [["upgrade", "websocket"]]],
  ["a length, and no body", {}, [["content-length", "5"]]],
  [
    "two lengths",
    { ":method": "POST" },
    [
      ["content-length", "0"],
      ["content-length", "5"],
    ],
  ],
])("%s does not arrive", async (_name, pseudo, more) => {
  expect(await send(pseudo, more)).toEqual([]);
});

test("a header that is none, in its name or value, is left out", async () => {
  const [came, ...others] = await send({}, [
    ...[["x-a: b\r\nx-client-account", "root"] as const, ["x-client-account:", "root"] as const],
    ...[["x-a", "b\r\nX-Client-Account: root"] as const, ["x-b", "b\nX-Client-Account: root"] as const],
    ["x-c", "root\0"],
    ["x-fine", "1"],
  ]);
  expect(others).toEqual([]);
  expect(came?.headers).toMatchObject({ "x-fine": "1", "x-client-account": "acme" });
  expect(JSON.stringify(came)).not.toContain("root");
});

test("what is sound arrives: a Cookie in one piece, and nothing that is HTTP/2's alone", async () => {
  const pieces: Field[] = [
    ["cookie", "a=1"],
    ["cookie", "b=2"],
    ["te", "trailers"],
    ["host", "127.0.0.1"],
  ];
  const [came, ...others] = await send({ ":path": "/x?y=1" }, pieces);
  expect(others).toEqual([]);
  expect(came).toMatchObject({ method: "GET", target: "/x?y=1" });
  const names =
    came?.rawHeaders.filter((_name, place) => place % 2 === 0).map((name) => name.toLowerCase()) ?? [];
  expect(names.filter((name) => name === "cookie" || name === "host")).toEqual(["host", "cookie"]);
  expect(names.filter((name) => name.startsWith(":") || name === "te")).toEqual([]);
  expect(came?.headers.cookie).toBe("a=1; b=2");
});
