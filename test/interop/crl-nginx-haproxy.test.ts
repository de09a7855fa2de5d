import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { judged } from "../support/crl-judge.ts";
import { crlFile, crlScene, rootFile } from "../support/crl-scene.ts";
import { recipe } from "../support/docs.ts";

// With the directory that `crl publish --out` writes, as docs/revocation.md says.

const scene = crlScene();

judged(scene, {
  name: "nginx",
  version: ["nginx", "-v"],
  refusal: 400,
  reload: "SIGHUP", // what `nginx -s reload` sends
  prepare(port, folder) {
    const config = join(folder, "nginx.conf");
    const { pem, all, server } = scene;
    writeFileSync(
      config,
      `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
      events {}
      http {
        access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
        server {
          listen 127.0.0.1:${String(port)} ssl;
          ssl_certificate ${pem}; ssl_certificate_key ${pem};
          ${recipe("nginx", { [rootFile]: server.root, [crlFile]: all })}
          location / { return 200; }
        }
      }`,
    );
    return ["nginx", "-p", folder, "-c", config, "-e", join(folder, "error.log")];
  },
});

judged(scene, {
  name: "haproxy",
  version: ["haproxy", "-v"],
  refusal: 0,
  reload: "SIGUSR2", // to the master process, as Debian's unit does
  reloaded: "Former worker",
  prepare(port, folder) {
    const config = join(folder, "haproxy.cfg");
    const address = `127.0.0.1:${String(port)}`;
    const files = { "server.pem": scene.pem, [rootFile]: scene.server.root, [crlFile]: scene.all };
    const bind = recipe("haproxy", { ":443": address, ...files });
    writeFileSync(
      config,
      `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend tls
  ${bind}
  http-request return status 200
`,
    );
    return ["haproxy", "-W", "-db", "-f", config];
  },
});
