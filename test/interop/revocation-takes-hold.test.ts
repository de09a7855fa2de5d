import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { Agent } from "node:https";
import { createInterface } from "node:readline";
import { connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { call, enrolled, keepAlive } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { runOk, script } from "../support/run.ts";
import { type TestServer, sharedServer } from "../support/server.ts";

const server = sharedServer();

test("openssl and curl: enrol, call, be revoked by script, be refused on the same connection", async () => {
  const { workspace, root } = server;
  const [key, csr, cert] = ["c.key", "c.csr", "c.crt"].map((name) => workspace.file(name)) as [
    string,
    string,
    string,
  ];
  const header = workspace.file("token.header");
  await writeFile(header, `Authorization: Bearer ${await server.token("curl-user")}`, { mode: 0o600 });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  await runOk("openssl", ["req", "-new", ...curve, "-nodes", "-subj", "/", "-keyout", key, "-out", csr]);
  await runOk("curl", [
    ...[
      "-sS",
      "--fail-with-body",
      "--cacert",
      root,
      "-H",
      `@${header}`,
      "-H",
      "Content-Type: application/pkcs10",
    ],
    ...["-H", "Accept: application/pem-certificate-chain", "--data-binary", `@${csr}`, "-o", cert],
    `${server.ca}/v1/certificates`,
  ]);
  const other = keepAlive(await enrolled(server, await server.token("bystander")));

  // One curl, one connection, four calls a second, until one fails.
  const curl = spawn("curl", [
    ...[
      "-sS",
      "--rate",
      "4/s",
      "--fail-with-body",
      "--fail-early",
      "--cacert",
      root,
      "--cert",
      cert,
      "--key",
      key,
    ],
    ...["-w", "\\n%{http_code} %{num_connects}\\n", `${server.enforce}/whoami?[1-100]`],
  ]);
  const lines: string[] = [];
  const reader = createInterface(curl.stdout).on("line", (line) => lines.push(line));
  const closed = once(reader, "close"); // curl may be refused, and gone, before the script has ended
  await eventually(() => {
    expect(lines).toContain("200 0");
  });
  expect(lines).toContain("200 1");
  expect((await whoami(server, other)).json["account"]).toBe("bystander");

  const revoked = await script("revoke", [
    cert,
    "--reason",
    "keyCompromise",
    "--json",
    "--home",
    server.home,
  ]);
  const answeredBefore = lines.length;
  expect(revoked).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(revoked.stdout)).toMatchObject({
    account: "curl-user",
    reason: "keyCompromise",
    servers: 1,
    late: 0,
    connectionsClosed: 1,
  });

  await closed;
  const codes = lines.filter((line) => /^\d{3} \d$/.test(line));
  expect(codes.at(-1)).toBe("403 0"); // on the connection that had carried the calls before
  expect(codes.slice(1, -1).every((code) => code === "200 0")).toBe(true);
  expect(lines.at(-2)).toBe("");
  expect(lines.at(-3)).toContain('"code":"CERT_REVOKED"');
  // Whatever came after the script had ended was refused.
  expect(lines.slice(answeredBefore).join()).not.toContain('"account"');

  const untouched = await whoami(server, other);
  expect(untouched).toMatchObject({ status: 200, reusedSocket: true });
  other.destroy();
});

describe.each(["TLSv1.2", "TLSv1.3"] as const)("a Node client on %s", (version) => {
  test("is refused on its open connection, then on a resumed session, after the revocation", async () => {
    const credential = await enrolled(server, await server.token(`node-${version.slice(-1)}`));
    const tls = { minVersion: version, maxVersion: version };
    const agent = keepAlive(credential, tls);
    expect((await whoami(server, agent)).status).toBe(200);

    // An agent that opens a connection for each call, and resumes the session of the one before.
    const resuming = keepAlive(credential, { ...tls, keepAlive: false });
    expect(await whoami(server, resuming)).toMatchObject({ status: 200, resumedSession: false });
    expect(await whoami(server, resuming)).toMatchObject({ status: 200, resumedSession: true });

    await server.admin("revoke", credential.fingerprint, "--reason", "superseded");

    const onOpen = await whoami(server, agent);
    expect(onOpen).toMatchObject({ status: 403, reusedSocket: true });
    expect(onOpen.json["code"]).toBe("CERT_REVOKED");
    expect(onOpen.headers["connection"]).toBe("close");

    const onResumed = await whoami(server, resuming);
    expect(onResumed).toMatchObject({ status: 403, resumedSession: true });
    expect(onResumed.json["code"]).toBe("CERT_REVOKED");
    agent.destroy();
    resuming.destroy();
  });
});

test("the listeners present their own certificate no longer once it is revoked, and serve on", async () => {
  const ca = readFileSync(server.root);
  const agent = keepAlive(await enrolled(server, await server.token("steady")));
  expect((await whoami(server, agent)).status).toBe(200);
  const presented = async (url: string): Promise<string> => {
    const { hostname: host, port } = new URL(url);
    const socket = connect({ host, port: Number(port), ca });
    await once(socket, "secureConnect");
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const before = await presented(server.ca);
  expect(await presented(server.enforce)).toBe(before);
  await server.admin("revoke", before);
  await eventually(async () => {
    const now = [await presented(server.ca), await presented(server.enforce)];
    expect(now[0]).not.toBe(before);
    expect(now[1]).toBe(now[0]);
  });
  expect(server.log()).toContain("the listeners' certificate was revoked or suspended");
  expect(await whoami(server, agent)).toMatchObject({ status: 200, reusedSocket: true });
  agent.destroy();
});

function whoami(on: TestServer, agent: Agent) {
  return call(`${on.enforce}/whoami`, { agent });
}

test("the server's log names the denial and holds no secret", () => {
  const log = server.log();
  expect(log).toContain("CERT_REVOKED");
  expect(log).not.toMatch(/cst_|PRIVATE KEY|Bearer/);
  const password = readFileSync(`${server.home}/secrets/password`, "utf8").trim();
  expect(log).not.toContain(password);
});
