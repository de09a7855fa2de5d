import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestAnswer, type TestCredential, call, keepAlive } from "../support/client.ts";
import { isThere } from "../support/crl-judge.ts";
import { blocksOf, page } from "../support/docs.ts";
import { eventually } from "../support/eventually.ts";
import { forwardAuthScene, passedOn } from "../support/forward-auth-scene.ts";
import { freePort } from "../support/free-port.ts";
import { selfSignedLike } from "../support/impostors.ts";
import { listenOn } from "../support/gateway-scene.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { withServers } from "../support/run.ts";

// The recipes of docs/forward-auth.md, in other people's proxies.

const scene = forwardAuthScene({ forwardAuth: { accounts: ["edge"], onlyForbids: true } });
/** Answers with what it was told of its caller. */
const service = createServer((request, response) => {
  const { rawHeaders } = request;
  const told = rawHeaders.filter((_value, place) =>
    /^x.client.*/i.test(rawHeaders[place - (place % 2)] ?? ""),
  );
  response.setHeader("Content-Type", "application/json");
  const { upgrade, "x-forwarded-for": address } = request.headers;
  request.resume().once("end", () => response.end(JSON.stringify({ told, address, upgrade })));
});
let upstream = "";
beforeAll(async () => {
  upstream = new URL(await listenOn(service)).host;
  const { cert, key } = listenerCertificate(scene.server.home);
  const { file } = scene.server.workspace;
  for (const [name, text] of Object.entries({
    "api.crt": cert,
    "api.key": key,
    "edge.crt": scene.edge.cert,
    "edge.key": scene.edge.key,
  }))
    writeFileSync(file(name), text, { mode: 0o600 });
});
afterAll(() => {
  service.closeAllConnections();
  service.close();
});

/** What the page has, with these in place of what it names: what is tested must be what is documented. */
function recipe(info: string, replaced: Readonly<Record<string, string>>): string {
  const block = blocksOf(page("docs/forward-auth.md")).find((one) => one.info === info);
  let text = block?.text ?? "";
  for (const [documented, ours] of Object.entries(replaced)) {
    if (!text.includes(documented)) throw new Error(`the block ${info} does not name ${documented}`);
    text = text.replaceAll(documented, ours);
  }
  return text;
}

const places = (folder: string) => {
  const { server } = scene;
  const { file } = server.workspace;
  return {
    "127.0.0.1:9443": new URL(server.enforce).host,
    "127.0.0.1:3000": upstream,
    [`/etc/${folder}/api.crt`]: file("api.crt"),
    [`/etc/${folder}/api.key`]: file("api.key"),
    [`/etc/${folder}/countersign/root.crt`]: server.root,
    [`/etc/${folder}/countersign/edge.crt`]: file("edge.crt"),
    [`/etc/${folder}/countersign/edge.key`]: file("edge.key"),
  };
};

interface Proxy {
  readonly name: string;
  /** A command that works where it is installed. */
  readonly version: readonly [string, ...string[]];
  /** The command that serves on a port of 127.0.0.1. */
  readonly prepare: (port: number, folder: string) => readonly string[];
  /** What whoever has no certificate gets. */
  readonly withoutCertificate: string;
  /** What whoever has one of nobody's gets. */
  readonly untrusted: string;
  /** Whether the recipe lets connections leave HTTP. */
  readonly upgrades: boolean;
}

/** @param verify how it asks callers for certificates, where that is not as on the page */
function nginx(verify = "on"): Proxy["prepare"] {
  return (port, folder) => {
    const config = join(folder, "nginx.conf");
    const listen = `listen 127.0.0.1:${String(port)}`;
    const replaced = { "listen 443": listen, "ssl_verify_client on": `ssl_verify_client ${verify}` };
    writeFileSync(
      config,
      `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log stderr;
      events {}
      http {
        access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
        ${recipe("nginx", { ...places("nginx"), ...replaced })}
      }`,
    );
    return ["nginx", "-p", folder, "-c", config, "-e", "stderr"];
  };
}

function caddy(mode = "require_and_verify"): Proxy["prepare"] {
  return (port, folder) => {
    const config = join(folder, "Caddyfile");
    const site = recipe("caddyfile", {
      ...places("caddy"),
      "https://api.example.org {": `https://localhost:${String(port)} {\n  bind 127.0.0.1`,
      "mode require_and_verify": `mode ${mode}`,
    });
    const global = `{\n  admin off\n  auto_https off\n  storage file_system ${folder}\n}\n`;
    writeFileSync(config, global + site);
    return ["caddy", "run", "--config", config, "--adapter", "caddyfile"];
  };
}

const inNginx = { version: ["nginx", "-v"], upgrades: false } as const;
const inCaddy = { version: ["caddy", "version"], upgrades: true } as const;
const proxies: readonly Proxy[] = [
  { ...inNginx, name: "nginx", withoutCertificate: "400", untrusted: "400", prepare: nginx() },
  {
    ...inNginx,
    name: "nginx that leaves all to the decision",
    withoutCertificate: "401 CERT_REQUIRED",
    untrusted: "401 CERT_UNTRUSTED",
    prepare: nginx("optional_no_ca"),
  },
  {
    ...inCaddy,
    name: "Caddy",
    withoutCertificate: "refused in TLS",
    untrusted: "refused in TLS",
    prepare: caddy(),
  },
  {
    ...inCaddy,
    name: "Caddy that leaves all to the decision",
    withoutCertificate: "401 CERT_UNTRUSTED",
    untrusted: "401 CERT_UNTRUSTED",
    prepare: caddy("request"),
  },
];

describe.each(proxies)("$name", (proxy) => {
  const isInstalled = isThere(proxy);
  let child: ChildProcess | undefined;
  let url = "";
  let log = "";

  beforeAll(async () => {
    if (!isInstalled) return;
    const folder = scene.server.workspace.file(proxy.name.replaceAll(" ", "-"));
    mkdirSync(folder, { recursive: true });
    const port = await freePort();
    url = `https://127.0.0.1:${String(port)}`;
    const [program = "", ...args] = proxy.prepare(port, folder);
    child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...withServers, HOME: folder },
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
    await eventually(async () => {
      expect(
        await get(scene.good).then(
          ({ status, text }) => `${String(status)} ${text}`,
          () => log,
        ),
      ).toMatch(/^200/);
    });
  });
  afterAll(async () => {
    if (child?.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  });

  /** By name: Caddy wants Host and SNI to agree where it asks for certificates. */
  function get(
    { key, cert, ca }: Pick<TestCredential, "ca"> & Partial<TestCredential>,
    { headers, ...options }: Parameters<typeof call>[1] = {},
  ): Promise<TestAnswer> {
    const tls = options.agent ? {} : { tls: { key, cert, ca, servername: "localhost" } };
    return call(`${url}/orders?scope=none`, {
      ...options,
      ...tls,
      headers: { Host: "localhost", ...headers },
    });
  }

  const toldTo = (who: TestCredential, scopes: string) => [
    ...["X-Client-Account", expect.stringMatching(/^acme|^victim/) as unknown],
    ...(scopes === "" ? [] : ["X-Client-Scopes", scopes]),
    ...["X-Client-Fingerprint", who.fingerprint, "X-Client-Serial", who.serial],
    ...["X-Client-Not-After", expect.stringMatching(/^20/) as unknown],
  ];

  /** In pairs, in the order of their names: a proxy may have its own. */
  const sorted = (told: readonly unknown[]) =>
    told
      .flatMap((name, place) => (place % 2 === 0 ? [[String(name), told[place + 1]] as const] : []))
      .toSorted(([one], [other]) => (one < other ? -1 : 1));

  test("is installed", ({ skip }) => {
    if (!isInstalled && process.env["CI"] === undefined) skip(`${proxy.name} is not installed`);
    expect(isInstalled).toBe(true);
  });

  test.runIf(isInstalled)("tells the service who is calling, and nothing that a caller says", async () => {
    const forged = {
      ...{ "X-Client-Account": "admin", "X-Client-Scopes": "admin", "x-client-fingerprint": "0" },
      ...{ X_Client_Account: "admin", "X-Client-Cert": "x", "X-Client-Denied": "x" },
      ...{ "X-Forwarded-For": "192.0.2.1", Connection: "X-Client-Account, close" },
    };
    const upgrade = { Connection: "Upgrade, X-Client-Account", Upgrade: "websocket" };
    for (const headers of [{}, forged, upgrade]) {
      const { status, json } = await get(scene.good, { headers });
      expect(status, log).toBe(200);
      expect(sorted(json["told"] as string[])).toEqual(sorted(toldTo(scene.good, "orders:read")));
      expect(json["address"]).toBe("127.0.0.1");
      expect(json["upgrade"]).toBe(headers === upgrade && proxy.upgrades ? "websocket" : undefined);
    }
    const body = "x".repeat(100_000);
    expect((await get(scene.good, { method: "POST", body, headers: forged })).status).toBe(200);
  });

  test.runIf(isInstalled)(
    "refuses on the next request over a connection that was let through before",
    async () => {
      const account = `victim-${String(proxies.indexOf(proxy))}`;
      const victim = await scene.caller(account, "--scopes", "orders:read");
      const agent = keepAlive(victim, { servername: "localhost" });
      const told = async () => {
        const { status, headers, localPort } = await get(victim, { agent });
        return { status, code: headers["x-client-denied"], localPort };
      };
      const { status, localPort } = await told();
      expect(status).toBe(200);
      await scene.server.admin("suspend", victim.fingerprint);
      expect(await told()).toEqual({ status: 403, code: "CERT_SUSPENDED", localPort });
      await scene.server.admin("resume", victim.fingerprint);
      expect(await told()).toEqual({ status: 200, code: undefined, localPort });
      await scene.server.admin("account", "suspend", account);
      expect(await told()).toEqual({ status: 403, code: "ACCOUNT_SUSPENDED", localPort });
      await scene.server.admin("account", "resume", account);
      await scene.server.admin("account", "update", account, "--rate", "1/1d");
      expect((await told()).status).toBe(200);
      expect(await told()).toEqual({ status: 403, code: "RATE_LIMITED", localPort });
      await scene.server.admin("revoke", victim.fingerprint);
      expect(await told()).toEqual({ status: 403, code: "CERT_REVOKED", localPort });
      agent.destroy();
    },
  );

  test.runIf(isInstalled)("refuses whoever lacks the scope or a certificate", async () => {
    const { status, headers } = await get(scene.edge);
    expect([status, headers["x-client-denied"]]).toEqual([403, "SCOPE_MISSING"]);
    const forged = { "X-Client-Cert": passedOn.bare(scene.good.cert) };
    const told = (tls: Parameters<typeof get>[0]) =>
      get(tls, { headers: forged }).then(
        (answer) => `${String(answer.status)} ${String(answer.headers["x-client-denied"] ?? "")}`.trim(),
        () => "refused in TLS",
      );
    const { ca } = scene.good;
    expect(await told({ ca })).toBe(proxy.withoutCertificate);
    expect(await told({ ca, ...(await selfSignedLike(scene.good)) })).toBe(proxy.untrusted);
  });
});
