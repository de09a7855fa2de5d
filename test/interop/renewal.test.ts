import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { call, keepAlive } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { freshHome } from "../support/fresh-home.ts";
import { projectRoot, run, runOk } from "../support/run.ts";
import { type TestServer, serveHome } from "../support/server.ts";
import { spawnServer } from "../support/spawned-server.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

let workspace: Workspace;
let server: TestServer;
beforeAll(async () => {
  workspace = await makeWorkspace();
  const profiles = join(workspace.file("home"), "profiles");
  await freshHome(workspace.file("home"));
  const client = JSON.parse(readFileSync(join(profiles, "client.json"), "utf8")) as object;
  const quick = { ...client, renewal: { overlap: "1s" } };
  writeFileSync(join(profiles, "quick.json"), JSON.stringify(quick));
  server = await serveHome(workspace);
});
afterAll(async () => {
  await server.stop();
  await workspace.remove();
});

/** What a client keeps: its key and certificate, in a folder of its own; all by openssl and curl. */
class Folder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  static async enrolled(name: string, profile: string): Promise<Folder> {
    const folder = new Folder(workspace.file(name));
    await mkdir(folder.path);
    await folder.request("own");
    const token = await server.token(name, "--profile", profile);
    const header = ["-H", `Authorization: Bearer ${token}`];
    await folder.post("/v1/certificates", header, "own");
    return folder;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** A new key and its CSR. */
  async request(name: string): Promise<void> {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/"];
    const out = ["-keyout", this.file(`${name}.key`), "-out", this.file(`${name}.csr`)];
    await runOk("openssl", ["req", "-new", ...curve, ...out]);
  }

  /** Sends NAME.csr; the answer is NAME.crt. Returns the status. */
  async post(path: string, as: readonly string[], name: string, ca = server.ca): Promise<string> {
    const types = [
      "-H",
      "Content-Type: application/pkcs10",
      "-H",
      "Accept: application/pem-certificate-chain",
    ];
    const body = ["--data-binary", `@${this.file(`${name}.csr`)}`, "-o", this.file(`${name}.crt`)];
    const args = ["-sS", "--cacert", server.root, ...as, ...types, ...body, "-w", "%{http_code}"];
    const { stdout } = await run("curl", [...args, `${ca}${path}`]);
    return stdout;
  }

  /** As the credential NAME. */
  by(name: string): string[] {
    return ["--cert", this.file(`${name}.crt`), "--key", this.file(`${name}.key`)];
  }

  /** Renews one with another key's CSR. */
  renew(name: string, next: string, ca = server.ca): Promise<string> {
    return this.post("/v1/certificates/renew", this.by(name), next, ca);
  }

  async whoami(name: string): Promise<string> {
    const args = ["-sS", "--cacert", server.root, ...this.by(name), `${server.enforce}/whoami`];
    const { code, account } = JSON.parse(await runOk("curl", args)) as Record<string, string>;
    return code ?? account ?? "";
  }

  read(name: string): string {
    return readFileSync(this.file(name), "utf8");
  }

  show(name: string): Promise<Record<string, unknown>> {
    return server.admin("show", this.file(`${name}.crt`));
  }
}

test("both work in the overlap, the old one is refused after it, and a lost answer is given again", async () => {
  const own = await Folder.enrolled("steady", "quick");
  const tls = { key: own.read("own.key"), cert: own.read("own.crt"), ca: readFileSync(server.root) };
  const agent = keepAlive({ ...tls, fingerprint: "", serial: "" });
  const ask = () => call(`${server.enforce}/whoami`, { agent });
  expect(await ask()).toMatchObject({ status: 200 });
  await own.request("next");
  expect(await own.renew("own", "next")).toBe("201");
  const answered = own.read("next.crt");
  await runOk("openssl", [
    "verify",
    "-CAfile",
    server.root,
    "-untrusted",
    own.file("next.crt"),
    own.file("next.crt"),
  ]);
  const [old, renewed] = [await own.show("own"), await own.show("next")];
  expect(renewed).toMatchObject({
    account: "steady",
    profile: "quick",
    status: "active",
    renews: old["fingerprint"],
  });
  expect(old).toMatchObject({ renewedBy: renewed["fingerprint"] });
  expect(await own.whoami("next")).toBe("steady");

  // On a connection that was open all the while: let through, and then told, and closed.
  const told = await eventually(async () => {
    const answer = await ask();
    expect(answer.status).not.toBe(200);
    return answer;
  });
  expect(told).toMatchObject({ status: 403, reusedSocket: true, json: { code: "CERT_REVOKED" } });
  expect(told.headers["connection"]).toBe("close");
  agent.destroy();
  expect(await own.show("own")).toMatchObject({
    ...{ status: "revoked", reason: "superseded", statusBy: "system", note: "retired after its renewal" },
  });
  expect(await server.admin("why", own.file("own.crt"))).toMatchObject({
    ...{ code: "CERT_REVOKED", renewedBy: renewed["fingerprint"], note: "retired after its renewal" },
    rule: expect.stringMatching(/^credential: retired since .*, after its renewal$/) as unknown,
  });

  // An answer that was lost, found later, though the new one is in use: the same, and nobody is alarmed.
  expect(await own.renew("own", "next")).toBe("201");
  expect(own.read("next.crt")).toBe(answered);
  expect(await own.whoami("next")).toBe("steady");
  expect(server.log()).not.toContain("clone alarm");
});

test("a folder that was copied and renews from two places is found out: both are suspended, and it is said why", async () => {
  const own = await Folder.enrolled("copied", "client");
  const thief = new Folder(workspace.file("thief"));
  cpSync(own.path, thief.path, { recursive: true });
  for (const each of [thief, own]) await each.request("next");
  expect(await thief.renew("own", "next")).toBe("201");
  expect(await thief.whoami("next")).toBe("copied");
  expect(await own.renew("own", "next")).toBe("409");
  expect(JSON.parse(own.read("next.crt"))).toMatchObject({ code: "RENEWED_BEFORE" });

  expect(await own.whoami("own")).toBe("CERT_SUSPENDED");
  expect(await thief.whoami("next")).toBe("CERT_SUSPENDED");
  const { fingerprint } = await own.show("own");
  const note = `clone alarm: ${String(fingerprint)} was to be renewed a second time, with another CSR, from 127.0.0.1; somebody may have a copy of its key`;
  const suspended = { status: "suspended", statusBy: "system", note };
  expect(await server.admin("why", thief.file("next.crt"))).toMatchObject({ code: "CERT_SUSPENDED", note });
  expect(await thief.show("next")).toMatchObject({ ...suspended, renews: fingerprint });
  expect(await server.admin("list", "--account", "copied")).toMatchObject([suspended, suspended]);
  const other = await server.admin("show", thief.file("next.crt"));
  for (const one of [fingerprint, other["fingerprint"], thief.file("next.crt")])
    expect(await server.admin("list", "--line", String(one))).toMatchObject([
      { ...suspended, fingerprint, renewedBy: other["fingerprint"] },
      { ...suspended, fingerprint: other["fingerprint"] },
    ]);
  await expect.poll(() => server.log()).toMatch(/"level":50.*"cause":"renewed-twice".*clone alarm/);
  const text = await (await fetch(`${server.metrics}/metrics`)).text();
  expect(text).toContain('countersign_clone_alarms_total{cause="renewed-twice"} 1');
  expect(text).toContain('countersign_renewals_total{code="RENEWED_BEFORE"} 1');

  // An admin who knows better has it go on.
  await server.admin("resume", own.file("own.crt"));
  await expect.poll(() => own.whoami("own")).toBe("copied");
});

test.each(["record", "answer"] as const)(
  "kill -9 at '%s' of a renewal: the same CSR ends well, and once",
  async (step) => {
    const own = await Folder.enrolled(`killed-at-${step}`, "client");
    await own.request("next");
    const program = join(projectRoot, "test/support/killed-server.ts");
    const doomed = await spawnServer(process.execPath, [program, workspace.file("home"), step, "1"]);
    expect(await own.renew("own", "next", doomed.ca)).not.toBe("201");
    expect(await doomed.ended).toEqual([null, "SIGKILL"]);

    expect(await own.renew("own", "next")).toBe("201");
    const answered = own.read("next.crt");
    expect(await own.renew("own", "next")).toBe("201");
    expect(own.read("next.crt")).toBe(answered);
    expect(await own.whoami("next")).toBe(`killed-at-${step}`);
    expect(await own.whoami("own")).toBe(`killed-at-${step}`);
    expect(await server.admin("list", "--account", `killed-at-${step}`)).toHaveLength(2);
  },
);
