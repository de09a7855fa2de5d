import { expect } from "vitest";
import { changeConfig } from "./change-config.ts";

/**
 * Has a home's config.json be wrong in every way at once.
 *
 * @param own where the process takes calls: HOST:PORT
 * @returns what is to be said of it
 */
export function spoilConfig(home: string, own: string): readonly string[] {
  changeConfig(home, {
    trustAnchor: "x",
    crlLife: "1y",
    limits: { handshakes: 0, handshake: 1 },
    trust: [
      { name: "twice", ca: "no-root.crt" },
      { name: "twice", ca: "config.json", crl: "no.crl", url: "x" },
    ],
    upstreams: {
      tls: { url: "https://192.0.2.1", ca: "no-ca.crt", cert: "certs/issuer.crt", key: "secrets" },
      loop: { url: `https://${own}`, ca: "config.json", uri: "x" },
      half: { url: "http://192.0.2.1", cert: "no.crt", connections: 0 },
      "No Name": { url: "ftp://192.0.2.1" },
    },
    routes: [
      { name: "same", path: "/a/*", upstream: "gone", scopes: ["A B"] },
      { name: "same", path: "/*/b", upstream: "tls", scope: "x" },
      { path: "/whoami", upstream: "tls", idleTime: "1y" },
      { path: "x", upstream: "lost" },
    ],
    forwardAuth: { path: "/whoami", accounts: ["a b"] },
  });
  return [
    'config: Unrecognized key: "trustAnchor"',
    "crlLife: '1y' is not a duration",
    "limits.handshakes: not a whole number",
    'limits: Unrecognized key: "handshake"',
    "no-root.crt cannot be read",
    'trust.1: Unrecognized key: "url"',
    "trust: two have the same name",
    "trust 'twice': config.json: it holds no certificate",
    "no.crl cannot be read",
    "upstreams.tls.ca: ",
    "no-ca.crt cannot be read",
    "upstreams.tls.key: ",
    "secrets cannot be read",
    `upstreams.loop.url: https://${own} leads back to this server`,
    'upstreams.loop: Unrecognized key: "uri"',
    "config.json is not what it should be",
    "upstreams.half: cert and key go together",
    "upstreams.half: ca, cert, key and serverName are for https://",
    "upstreams.half.connections: ",
    "no.crt cannot be read",
    "upstreams.No Name: the name is not 1 to 63 of a-z",
    "upstreams.No Name.url: 'ftp://192.0.2.1' is not",
    "routes.0.upstream: there is no upstream 'gone'",
    "routes.0.scopes.0: 'A B' is not a scope",
    'routes.1: Unrecognized key: "scope"',
    "routes.2.idleTime: '1y' is not a duration",
    "routes.2.path: /whoami is answered by the gateway itself",
    "routes.2.path: /whoami is where proxies ask",
    "routes.3.path: 'x' is not a path",
    "routes.3.upstream: there is no upstream 'lost'",
    "routes: there are two of the name 'same'",
    "routes: the routes 'same' and 'same' overlap",
    "forwardAuth.path: /whoami is answered otherwise",
    "forwardAuth.accounts.0: ",
  ];
}

/** Holds that each of these is said once, and no more. */
export function expectEachOnce(text: string, faults: readonly string[]): void {
  const times = faults.map((fault) => [fault, text.split(fault).length - 1]);
  expect(times).toEqual(faults.map((fault) => [fault, 1]));
}
