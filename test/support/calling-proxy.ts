import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { type Agent, type RequestOptions, request } from "node:http";
import { join } from "node:path";
import { page } from "./docs.ts";
import { freePort } from "./free-port.ts";
import { withServers } from "./run.ts";

/** Other people's proxy, which calls a service as a client: a file of examples/proxies. */
export interface CallingProxy {
  readonly name: string;
  readonly file: string;
  /** A command that works where it is installed. */
  readonly version: readonly [string, ...string[]];
  /** The command that serves with this configuration. */
  readonly start: (config: string, folder: string) => readonly string[];
  /** The paths that the file and its reload command have, and ours. */
  readonly paths: (config: string, folder: string) => Readonly<Record<string, string>>;
  /** Whether its port takes every call at a reload, as its socket does. */
  readonly portLosesNone: boolean;
  /** What has to stand around the file, if it is but a part of a configuration. */
  readonly around?: (text: string, folder: string) => string;
}

export const callingProxies: readonly CallingProxy[] = [
  {
    name: "nginx",
    file: "nginx.conf",
    version: ["nginx", "-v"],
    start: (config, folder) => ["nginx", "-p", folder, "-c", config, "-e", "stderr"],
    portLosesNone: true,
    paths: (config, folder) => ({ "nginx -s": `nginx -p ${folder} -c ${config} -e stderr -s` }),
    around: (text, folder) =>
      `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log stderr;
      events {}
      http {
        access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
        ${text}
      }`,
  },
  {
    name: "Caddy",
    file: "Caddyfile",
    version: ["caddy", "version"],
    start: (config) => ["caddy", "run", "--config", config],
    portLosesNone: false,
    paths: (config, folder) => ({ "/etc/caddy/Caddyfile": config, "/var/lib/caddy": folder }),
  },
  {
    name: "HAProxy",
    file: "haproxy.cfg",
    version: ["haproxy", "-v"],
    // As Debian's unit does, but for systemd's notification.
    start: (config, folder) => ["haproxy", "-W", "-db", "-f", config, "-p", join(folder, "pid")],
    portLosesNone: true,
    paths: (config, folder) => ({
      " group orders": "",
      "/etc/haproxy/haproxy.cfg": config,
      "/run/haproxy.pid": join(folder, "pid"),
    }),
  },
];

/** For the proxies, and for what reloads them. */
export function proxyEnvironment(folder: string): NodeJS.ProcessEnv {
  return { ...withServers, HOME: folder };
}

export function isInstalled({ version: [program, ...args] }: CallingProxy): boolean {
  return spawnSync(program, args, { env: proxyEnvironment("/") }).status === 0;
}

/** A proxy that runs with its file of examples/proxies, with ports and paths of ours, and with the socket that it proposes. */
export interface RunningProxy {
  /** The command that the file names for after a renewal. */
  readonly reload: string;
  /** On 127.0.0.1. */
  readonly port: number;
  /** What a local program is answered, over a new connection unless by an agent. */
  get(path: string, by?: LocalWay): Promise<ProxyAnswer>;
  log(): string;
  end(): Promise<void>;
}

/** How a local program comes to it: else by the port. */
export interface LocalWay {
  readonly bySocket?: boolean;
  readonly agent?: Agent;
  /** The name that it says it calls: else the one of 127.0.0.1 and the port, or localhost. */
  readonly host?: string;
}

export interface ProxyAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/**
 * @param folder of the proxy's own, to be made
 * @param credential where client.key, client.crt and ca.crt are
 * @param service HOST:PORT
 */
export async function runProxy(
  proxy: CallingProxy,
  folder: string,
  { credential, service }: { readonly credential: string; readonly service: string },
): Promise<RunningProxy> {
  mkdirSync(folder);
  const port = await freePort();
  const config = join(folder, proxy.file);
  const example = page(`examples/proxies/${proxy.file}`);
  const socket = join(folder, "local.sock");
  const text = replaced(example.replace(/# (.*\/orders\.sock)/, "$1"), {
    "/run/orders/orders.sock": socket,
    "/etc/countersign/orders": credential,
    "127.0.0.1:9443": service,
    ":8081": `:${String(port)}`,
    ...proxy.paths(config, folder),
  });
  writeFileSync(config, proxy.around?.(text, folder) ?? text);
  const [program = "", ...args] = proxy.start(config, folder);
  const env = proxyEnvironment(folder);
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => (log += part));
  return {
    port,
    reload: /^# After a renewal: (.+)$/m.exec(text)?.[1] ?? "false",
    get: (path, { bySocket = false, agent, host } = {}) =>
      get({
        ...(bySocket ? { socketPath: socket } : { host: "127.0.0.1", port }),
        path,
        agent: agent ?? false,
        ...(host !== undefined && { headers: { Host: host } }),
      }),
    log: () => log,
    end: () => ended(child),
  };
}

/** @throws Error when something is not there to be replaced: what is tested must be what is documented */
function replaced(text: string, by: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [documented, ours] of Object.entries(by)) {
    if (!result.includes(documented)) throw new Error(`the example does not name ${documented}`);
    result = result.replaceAll(documented, ours);
  }
  return result;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

function get(options: RequestOptions): Promise<ProxyAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      const { statusCode: status = 0, headers } = response;
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status, contentType: headers["content-type"] ?? "", text });
      });
    });
    sent.on("error", (error) => {
      // It was closed when it seemed to be idle: HTTP clients try again then (RFC 9112 §9.3.1), Node's does not.
      if (sent.reusedSocket) resolve(get(options));
      else reject(error);
    });
    sent.end();
  });
}
