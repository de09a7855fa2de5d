import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isThere, judged, runningServer, sessionKeeper, tlsVersions } from "../support/crl-judge.ts";
import { crlFile, crlScene, rootFile } from "../support/crl-scene.ts";
import { recipe } from "../support/docs.ts";

const scene = crlScene();

const version = ["apache2", "-v"] as const;

judged(scene, {
  name: "apache2",
  version,
  refusal: 0,
  reload: "SIGUSR1", // what `apache2ctl graceful` sends
  prepare(port, folder) {
    // As in Debian's ssl.conf.
    const cache = `SSLSessionCache shmcb:${folder}/sessions(512000)
`;
    const files = { [rootFile]: scene.server.root, [crlFile]: scene.all };
    return apache(port, folder, cache + recipe("apache", files));
  },
});

describe.runIf(isThere({ version }))("apache2 with OCSP", () => {
  const server = runningServer(
    {
      prepare: (port, folder) =>
        apache(
          port,
          folder,
          recipe("apache ocsp", { "/etc/pki/countersign/root-and-issuer.crt": bundle(folder) }),
        ),
      reload: undefined,
    },
    () => scene.good,
  );
  beforeAll(() => server.begin(scene.server.workspace.file("ocsp")), 120_000);
  afterAll(() => server.end());

  test("serves the good and refuses the revoked and the suspended", async () => {
    expect(await server.status(scene.good)).toBe(200);
    expect(await server.status(scene.revoked)).toBe(0);
    expect(await server.status(scene.held)).toBe(0);
  });

  test("goes by every change at once, also for a TLS session from before", async () => {
    await scene.server.admin("resume", scene.held.serial);
    const agents = tlsVersions.map((version) => sessionKeeper(scene.held, version));
    for (const agent of agents) expect(await server.status(agent)).toBe(200);
    await scene.server.admin("suspend", scene.held.serial);
    for (const client of [scene.held, ...agents]) expect(await server.status(client)).toBe(0);
  });

  test("refuses everybody when nothing answers", async () => {
    await scene.server.stop();
    expect(await server.status(scene.good)).toBe(0);
  });
});

function apache(port: number, folder: string, directives: string): readonly string[] {
  const config = join(folder, "apache.conf");
  const modules = ["mpm_event", "authz_core", "rewrite", "socache_shmcb", "ssl"].map(
    (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
  );
  writeFileSync(
    config,
    `${modules.join("\n")}
ServerName localhost
ServerRoot ${folder}
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
Mutex file:${folder}
ErrorLog ${folder}/error.log
LogLevel info
StartServers 1
Listen 127.0.0.1:${String(port)}
${directives}
<VirtualHost *:${String(port)}>
SSLEngine on
SSLCertificateFile ${scene.pem}
RewriteEngine on
RewriteRule ^ - [R=200]
</VirtualHost>
`,
  );
  return ["apache2", "-D", "FOREGROUND", "-f", config];
}

function bundle(folder: string): string {
  const certs = join(scene.server.home, "certs");
  const file = join(folder, "root-and-issuer.crt");
  writeFileSync(
    file,
    ["root.crt", "issuer.crt"].map((name) => readFileSync(join(certs, name), "latin1")).join(""),
  );
  return file;
}
