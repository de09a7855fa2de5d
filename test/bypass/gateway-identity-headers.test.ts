import { connect as connectHttp2 } from "node:http2";
import { beforeAll, expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { ask } from "../support/http2-client.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround();
const urls = { http1: "", http2: "" };
beforeAll(async () => {
  const routes = [
    { path: "/headers", upstream: "app" },
    { path: "/client-cert", upstream: "app", identity: "client-cert" },
    { path: "/xfcc", upstream: "app", identity: "xfcc" },
    { path: "/all", upstream: "app", identity: ["headers", "client-cert", "xfcc"] },
    { path: "/none", upstream: "app", identity: "none" },
  ];
  urls.http1 = await ground.listen(routes);
  urls.http2 = await ground.listen(routes, { http2: true });
});

const told = {
  headers: ["account", "scopes", "fingerprint", "serial", "not-after"].map((name) => `x-client-${name}`),
  "client-cert": ["client-cert", "client-cert-chain", "x-client-account", "x-client-scopes"],
  xfcc: ["x-forwarded-client-cert", "x-client-account", "x-client-scopes"],
};
const always = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
const forms: [string, string[]][] = [
  ...Object.entries(told),
  ["all", [...new Set(Object.values(told).flat())]],
  ["none", []],
];

const names = [
  ...[
    ...new Set(Object.values(told).flat()),
    ...always,
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "x-cluster-client-ip",
  ],
  ...["x-forwarded-user", "x-forwarded-port", "x-client-verify", "x-client-ip", "client-cert-verified"],
  ...["ssl-client-cert", "x-ssl-client-verify", "x-tls-client-cert", "remote-user", "x-remote-groups"],
];
const spellings: ((name: string) => string)[] = [
  (name) => name,
  (name) => name.replaceAll("-", "_"),
  (name) => name.replace("-", "_"),
  (name) => name.replaceAll("-", "."), // lighttpd and older Apaches make all of them underscores, for CGI
  (name) => name.replaceAll("-", "~"),
];

/** What the service was told by the last call, without what it makes no difference to forge. */
function heard(): { readonly forged: string[]; readonly ours: string[] } {
  const { rawHeaders } = ground.asked.at(-1) ?? { rawHeaders: [] };
  const pairs = rawHeaders.flatMap((name, place) =>
    place % 2 === 0 ? [[name.toLowerCase(), rawHeaders[place + 1] ?? ""] as const] : [],
  );
  expect(pairs).toContainEqual(["x-fine", "forged"]);
  const others = pairs.filter(([name]) => name !== "x-fine");
  return {
    forged: others.flatMap(([name, value]) => (value.includes("forged") ? [name] : [])),
    ours: others.flatMap(([name]) => (names.includes(name) ? [name] : [])).sort(),
  };
}

test.each(forms)("%s: what a request says of its caller does not arrive", async (form, set) => {
  const socket = await tlsTo(urls.http1, ground.good);
  for (const spelt of [...spellings, (name: string) => name.toUpperCase()]) {
    const forged = names.map((name) => `${spelt(name)}: forged\r\n${spelt(name)}:\t forged \t\r\n`).join("");
    const head = `GET /${form} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fine: forged\r\n${forged}\r\n`;
    expect(await exchange(socket, head, 20)).toMatch(/^HTTP\/1\.1 200 /);
    expect(heard()).toEqual({ forged: [], ours: [...always, ...set].sort() });
  }
  socket.destroy();
});

test.each(forms)("%s, over HTTP/2: what a request says of its caller does not arrive", async (form, set) => {
  const session = connectHttp2(urls.http2, ground.good);
  for (const spelt of spellings) {
    const forged = Object.fromEntries(names.map((name) => [spelt(name), "forged"]));
    expect((await ask(session, `/${form}`, { "x-fine": "forged", ...forged })).status).toBe(200);
    expect(heard()).toEqual({ forged: [], ours: [...always, ...set].sort() });
  }
  session.destroy();
});
