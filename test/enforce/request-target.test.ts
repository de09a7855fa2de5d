import { type TLSSocket, connect } from "node:tls";
import { beforeAll, describe, expect, test } from "vitest";
import { type TestCredential, enrolled } from "../support/client.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
let good: TestCredential;
let port: string;
beforeAll(async () => {
  good = await enrolled(server, await server.token("acme"));
  port = new URL(server.enforce).port;
});

/** Sends a request as it is written, with the SNI given (`""`: none), and returns the answer's status and code. */
function raw(servername: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { key, cert, ca } = good;
    const options = {
      host: "127.0.0.1",
      port: Number(port),
      key,
      cert,
      ca,
      checkServerIdentity: () => undefined,
    };
    const socket: TLSSocket = connect({ ...options, servername }, () => socket.write(request));
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    socket.on("error", reject);
    socket.on("close", () => {
      resolve(`${text.split(" ")[1] ?? ""} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ""}`.trim());
    });
  });
}

const get = (target: string, ...headers: string[]): string =>
  [`GET ${target} HTTP/1.1`, ...headers, "Connection: close", "", ""].join("\r\n");

describe("Host and SNI", () => {
  test.each([
    ["the same name", "localhost", "localhost", "200"],
    ["the same in other case, with dot and port", "localhost", "LOCALHOST.:9443", "200"],
    ["no SNI, an address", "", "127.0.0.1", "200"],
    ["no SNI, an IPv6 address with a port", "", "[::1]:9443", "200"],
    ["no SNI, a name", "", "localhost", "421 MISDIRECTED"],
    ["another name", "localhost", "internal.example", "421 MISDIRECTED"],
    ["a name that begins the same", "localhost", "localhost.example", "421 MISDIRECTED"],
    ["a wildcard", "localhost", "*", "421 MISDIRECTED"],
    ["an address where a name was meant", "localhost", "127.0.0.1", "421 MISDIRECTED"],
    ["user information before it", "localhost", "localhost@internal.example", "421 MISDIRECTED"],
    ["nothing", "localhost", "", "421 MISDIRECTED"],
  ])("%s", async (_name, sni, host, expected) => {
    expect(await raw(sni, get("/whoami", `Host: ${host}`))).toBe(expected);
  });

  test("HTTP/1.1 without Host is not a request", async () => {
    expect(await raw("localhost", get("/whoami"))).toBe("400");
  });

  test("two Hosts", async () => {
    const answer = await raw("localhost", get("/whoami", "Host: localhost", "host: internal.example"));
    expect(answer).toBe("421 MISDIRECTED");
  });
});

test.each(["/../whoami", "/./whoami", "/whoami/.", "/whoami;x", "/whoami%00", "/\\whoami"])(
  "%s is not /whoami",
  async (target) => {
    expect(await raw("localhost", get(target, "Host: localhost"))).toBe("404 NO_ROUTE");
  },
);

describe("absolute-form", () => {
  test.each([
    ["the same host", "https://localhost/whoami", "200"],
    ["another host", "https://internal.example/whoami", "421 MISDIRECTED"],
    ["something that is no URL", "https:whoami", "400"],
  ])("%s", async (_name, target, expected) => {
    expect(await raw("localhost", get(target, "Host: localhost"))).toBe(expected);
  });

  test("CONNECT is no way in", async () => {
    const answer = await raw("localhost", "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(answer).toBe("");
  });

  test("an upgrade is decided like any request", async () => {
    const upgrade = ["Host: localhost", "Connection: Upgrade", "Upgrade: websocket"];
    const request = ["GET /whoami HTTP/1.1", ...upgrade, "", ""].join("\r\n");
    const answer = await raw("elsewhere.example", request.replace("Upgrade\r\n", "Upgrade, close\r\n"));
    expect(answer).toBe("421 MISDIRECTED");
  });
});

describe("Expect", () => {
  const post = (...headers: string[]): string =>
    [
      "POST /whoami HTTP/1.1",
      "Host: localhost",
      ...headers,
      "Content-Length: 2",
      "Connection: close",
      "",
      "hi",
    ].join("\r\n");

  test("100-continue is said only to who is let through", async () => {
    expect(await raw("localhost", post("Expect: 100-continue"))).toMatch(/^100 NO_ROUTE$/);
    expect(await raw("elsewhere.example", post("Expect: 100-continue"))).toBe("421 MISDIRECTED");
  });

  test("HTTP/1.0 knows no 100-continue (RFC 9110 §10.1.1)", async () => {
    const old = "GET /whoami HTTP/1.0\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n";
    expect(await raw("localhost", old)).toBe("200");
  });

  test("anything else is refused, after the decision", async () => {
    expect(await raw("localhost", post("Expect: miracles"))).toBe("417");
    expect(await raw("elsewhere.example", post("Expect: miracles"))).toBe("421 MISDIRECTED");
  });
});
