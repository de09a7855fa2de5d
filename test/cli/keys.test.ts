import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { call, enrolled, keepAlive, requestCertificate } from "../support/client.ts";
import { command } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";

const server = sharedServer();
const here = (...args: string[]) => command([...args, "--home", server.home]);

test("a key that leaked is blocked by its file, and its open connection ends", async () => {
  const victim = await enrolled(server, await server.token("acme"));
  const other = keepAlive(await enrolled(server, await server.token("acme")));
  const agent = keepAlive(victim);
  expect((await call(`${server.enforce}/whoami`, { agent })).status).toBe(200);
  expect((await call(`${server.enforce}/whoami`, { agent: other })).status).toBe(200);

  const file = server.workspace.file("leaked.key");
  writeFileSync(file, victim.key);
  const ran = await here("key", "block", file, "--because", "committed to a repository");
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(ran.stdout).toMatch(
    /^Blocked [0-9a-f]{64} \(ec-p256\); 1 certificate revoked\. Applied by 1 server; 1 connection closed\.\n$/,
  );
  const refused = await call(`${server.enforce}/whoami`, { agent }).catch(() => undefined);
  if (refused) expect(refused.json).toMatchObject({ status: 403, code: "CERT_REVOKED" });
  const anew = await call(`${server.enforce}/whoami`, { tls: victim });
  expect(anew.json).toMatchObject({ code: "CERT_REVOKED" });
  const untouched = await call(`${server.enforce}/whoami`, { agent: other });
  expect([untouched.status, untouched.reusedSocket]).toEqual([200, true]);

  const csr = await runOk("openssl", ["req", "-new", "-key", file, "-subj", "/CN=x"]);
  const token = await server.token("acme");
  await eventually(async () => {
    const answer = await requestCertificate(server, token, { csr });
    expect(answer.json).toMatchObject({ status: 403, code: "KEY_BLOCKED" });
  });
  expect(JSON.parse((await here("key", "list", "--json")).stdout)).toMatchObject([
    { keyType: "ec-p256", because: "committed to a repository" },
  ]);
  expect((await here("key", "list")).stdout).toMatch(/^KEY .*\n[0-9a-f]{64} +ec-p256 .*repository\n$/);
  agent.destroy();
  other.destroy();
});

test.each<[string, string, () => string[]]>([
  [
    "blocked before",
    "The key is blocked already. (STATE_UNCHANGED)",
    () => ["key", "block", server.workspace.file("leaked.key")],
  ],
  [
    "of our own CA",
    "This is the key of the CA 'default'. Nothing was changed. (KEY_IN_USE)",
    () => ["key", "block", `${server.home}/certs/issuer.crt`],
  ],
  [
    "that no file holds",
    "The file holds no certificate, CSR or key that can be read here. (FILE_UNREADABLE)",
    () => ["key", "block", "package.json"],
  ],
  [
    "in a file that isn't there",
    "nothing.key cannot be read. (FILE_UNREADABLE)",
    () => ["key", "block", "nothing.key"],
  ],
])("a key %s is refused, and nothing changes", async (_name, message, args) => {
  const before = snapshot(server.home);
  const ran = await here(...args());
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).toContain(`countersign: ${message}\n`);
  expect(snapshot(server.home)).toEqual(before);
});
