import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../test/support/run.ts";
import { type Started, type Surroundings, freePort, start, untilListening } from "../processes.ts";
import { BODY } from "./terms.ts";
import type { Scene } from "./scene.ts";

/** Another server that asks for the same client certificates and answers the same. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly hasCrl: boolean;
  readonly stop: () => Promise<void>;
}

interface Program {
  readonly name: string;
  /** Prints a version, so that one knows whether it is there. */
  readonly version: readonly string[];
  readonly takesCrl: boolean;
  /** Whether it is put in front of an upstream. */
  readonly takesUpstream: boolean;
  /** Writes what it needs into a folder; returns its command. */
  readonly prepare: (job: Job) => Promise<readonly string[]>;
}

interface Job {
  readonly folder: string;
  readonly port: number;
  readonly scene: Scene;
  /** The CRLs of root and issuing CA, PEM. */
  readonly crl: string | undefined;
  /** `127.0.0.1:PORT`: whom it is to ask, where it does not answer itself. */
  readonly upstream: string | undefined;
}

/**
 * Starts what is installed, twice where it takes a CRL: with one and without. Whoever calls stops them.
 *
 * @param given a CRL, as a PEM file; or an upstream for those that pass calls on, by plain HTTP, and tell it who is calling
 */
export async function startPeers(
  surroundings: Surroundings,
  scene: Scene,
  { crl, upstream }: Partial<Pick<Job, "crl" | "upstream">>,
): Promise<Peer[]> {
  const peers: Peer[] = [];
  try {
    for (const program of programs.filter(({ takesUpstream }) => takesUpstream || upstream === undefined)) {
      const { code } = await run(program.version[0] ?? "", program.version.slice(1)).catch(() => ({
        code: 1,
      }));
      if (code !== 0) continue;
      peers.push(await startPeer(surroundings, program, { scene, upstream, crl: undefined }));
      if (program.takesCrl && crl !== undefined)
        peers.push(await startPeer(surroundings, program, { scene, upstream, crl }));
    }
    return peers;
  } catch (error) {
    for (const peer of peers) await peer.stop();
    throw error;
  }
}

async function startPeer(
  { folder: parent, pinning, signal }: Surroundings,
  program: Program,
  given: Pick<Job, "scene" | "crl" | "upstream">,
): Promise<Peer> {
  const port = await freePort();
  const folder = join(parent, `${program.name}-${String(port)}`);
  await mkdir(folder);
  const command = await program.prepare({ folder, port, ...given });
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const started: Started = start([...pinning.server, ...command], signal, { env });
  started.child.stdout?.resume();
  try {
    await untilListening(started, port);
  } catch (error) {
    await started.stop();
    throw error;
  }
  return { name: program.name, port, pid: started.pid, hasCrl: given.crl !== undefined, stop: started.stop };
}

/** nginx's, piece by piece as the others do. */
const passOn = `
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Client-Fingerprint $ssl_client_fingerprint; proxy_set_header X-Client-Serial $ssl_client_serial;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https;
      client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
   `;

/** Caddy's; X-Forwarded-For, -Proto and -Host it sets by itself. */
function reverseProxy(upstream: string): string {
  return `reverse_proxy ${upstream} {
    header_up X-Client-Fingerprint {tls_client_fingerprint}
    header_up X-Client-Serial {tls_client_serial}
  }`;
}

const programs: readonly Program[] = [
  {
    name: "nginx",
    version: ["nginx", "-v"],
    takesCrl: true,
    takesUpstream: true,
    async prepare({ folder, port, scene, crl, upstream }) {
      const file = join(folder, "nginx.conf");
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (name) => `${name}_temp_path ${join(folder, name)};`,
      );
      await writeFile(
        file,
        `daemon off; master_process off; pid ${join(folder, "pid")}; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; default_type text/plain; ${temporary.join(" ")}
  keepalive_requests 1000000000; keepalive_timeout 65s;
  ${upstream === undefined ? "" : `upstream app { server ${upstream}; keepalive 64; keepalive_requests 1000000000; }`}
  server {
    listen 127.0.0.1:${String(port)} ssl backlog=1024;
    ssl_certificate ${scene.service.files.cert}; ssl_certificate_key ${scene.service.files.key};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_client_certificate ${scene.root}; ssl_verify_client on; ssl_verify_depth 2;
    ${crl === undefined ? "" : `ssl_crl ${crl};`}
    location / { ${upstream === undefined ? `return 200 ${JSON.stringify(BODY)};` : passOn} }
  }
}
`,
      );
      return ["nginx", "-e", "stderr", "-p", folder, "-c", file];
    },
  },
  {
    name: "HAProxy",
    version: ["haproxy", "-v"],
    takesCrl: true,
    takesUpstream: false,
    async prepare({ folder, port, scene, crl }) {
      const [file, both] = ["haproxy.cfg", "both.pem"].map((name) => join(folder, name)) as [string, string];
      await writeFile(both, scene.service.cert + scene.service.key, { mode: 0o600 });
      await writeFile(
        file,
        `global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout client 65s
  timeout http-request 15s
  timeout http-keep-alive 65s
frontend bench
  bind 127.0.0.1:${String(port)} backlog 1024 ssl crt ${both} ca-file ${scene.root} verify required ssl-min-ver TLSv1.2 curves X25519:prime256v1:secp384r1${crl === undefined ? "" : ` crl-file ${crl}`}
  http-request return status 200 content-type text/plain string ${JSON.stringify(BODY)}
`,
      );
      return ["haproxy", "-db", "-q", "-f", file];
    },
  },
  {
    name: "Caddy",
    version: ["caddy", "version"],
    takesCrl: false,
    takesUpstream: true,
    async prepare({ folder, port, scene, upstream }) {
      const file = join(folder, "Caddyfile");
      const answer = `header Content-Type text/plain
  respond ${JSON.stringify(BODY).replace("\\n", "\n")}`;
      const { cert, key } = scene.service.files;
      await writeFile(
        file,
        `{
  admin off
  auto_https off
}
https://localhost:${String(port)} {
  bind 127.0.0.1
  tls ${cert} ${key} {
    curves x25519 secp256r1 secp384r1
    client_auth {
      mode require_and_verify
      trusted_ca_cert_file ${scene.root}
    }
  }
  ${upstream === undefined ? answer : reverseProxy(upstream)}
}
`,
      );
      return ["caddy", "run", "--adapter", "caddyfile", "--config", file];
    },
  },
];
