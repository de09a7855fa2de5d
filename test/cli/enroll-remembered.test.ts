import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { rememberCa, rememberedCaUrl } from "../../src/client/ca/known-cas.ts";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { command } from "../support/command.ts";
import type { Ran } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

const server = sharedServer();
const remembered = (workspace: Workspace, name: string): string => workspace.file(join("countersign", name));

afterEach(() => {
  vi.unstubAllEnvs();
});

/** With a folder of its own to remember in. */
async function scene(): Promise<Workspace> {
  const workspace = await testWorkspace();
  vi.stubEnv("XDG_CONFIG_HOME", workspace.path);
  return workspace;
}

async function enroll(workspace: Workspace, name: string, ...args: readonly string[]): Promise<Ran> {
  writeFileSync(workspace.file("token"), await server.token("acme"));
  const files = ["key", "cert"].flatMap((option) => [`--${option}`, workspace.file(`${name}.${option}`)]);
  const fixed = ["--token-file", workspace.file("token"), "--ca", workspace.file("ca.crt")];
  return command(["enroll", ...fixed, ...files, "--json", ...args]);
}

/** What is said before the token is sent. */
const told = (caUrl: string): string =>
  `${JSON.stringify({ event: "ca", caUrl, fingerprint: server.rootFingerprint })}\n`;

const named = (): string[] => ["--ca-url", server.ca, "--fingerprint", server.rootFingerprint];

test("the CA is remembered, so that it need not be named again", async () => {
  const workspace = await scene();
  expect(await enroll(workspace, "first", ...named())).toMatchObject({ code: 0, stderr: "" });
  const file = remembered(workspace, `cas/${server.rootFingerprint}.json`);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
    caUrl: server.ca,
    fingerprint: server.rootFingerprint,
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  for (const folder of ["", "cas"]) expect(statSync(remembered(workspace, folder)).mode & 0o777).toBe(0o700);
  expect(rememberedCaUrl(server.rootFingerprint, process.env)).toBe(server.ca);

  expect(await enroll(workspace, "second")).toMatchObject({ code: 0, stderr: told(server.ca) });
  expect(await enroll(workspace, "third", "--ca-url", server.ca)).toMatchObject({
    ...{ code: 0, stderr: told(server.ca) },
  });
  const byRoot = ["--fingerprint", server.rootFingerprint];
  expect(await enroll(workspace, "fourth", ...byRoot)).toMatchObject({
    code: 0,
    stderr: told(server.ca),
  });
});

test("the environment says where it is, unless an option does; what is remembered comes last", async () => {
  const workspace = await scene();
  vi.stubEnv("COUNTERSIGN_CA_URL", server.ca);
  rememberCa({ caUrl: "https://127.0.0.1:1", fingerprint: server.rootFingerprint }, process.env);
  const byRoot = ["--fingerprint", server.rootFingerprint];
  expect(await enroll(workspace, "first", ...byRoot)).toMatchObject({ code: 0, stderr: told(server.ca) });
  const elsewhere = await enroll(workspace, "second", ...byRoot, "--ca-url", "https://127.0.0.1:1");
  expect(JSON.parse(elsewhere.stderr)).toMatchObject({ code: "SERVER_UNREACHABLE" });
  vi.stubEnv("COUNTERSIGN_CA_URL", "");
  expect(await enroll(workspace, "third")).toMatchObject({ code: 0, stderr: told(server.ca) });
});

test("of several, the last used is taken; of two at one URL, that one too", async () => {
  const workspace = await scene();
  const other = parseFingerprint(randomBytes(32).toString("hex"));
  rememberCa({ caUrl: server.ca, fingerprint: other }, process.env);
  rememberCa({ caUrl: server.ca, fingerprint: parseFingerprint(server.rootFingerprint) }, process.env);
  expect(await enroll(workspace, "first")).toMatchObject({ code: 0, stderr: told(server.ca) });
  expect(await enroll(workspace, "second", "--ca-url", server.ca)).toMatchObject({
    ...{ code: 0, stderr: told(server.ca) },
  });
  rememberCa({ caUrl: "https://ca.test", fingerprint: parseFingerprint("ab".repeat(32)) }, process.env);
  const ran = await enroll(workspace, "third", "--ca-url", server.ca);
  expect(ran).toMatchObject({ code: 2, stdout: "" });
  expect(JSON.parse(ran.stderr)).toMatchObject({
    code: "CA_NOT_REMEMBERED",
    message: expect.stringContaining("More than one CA is remembered") as string,
  });
});

test.each<[string, readonly string[], string]>([
  ["nothing is known", [], "No such CA is remembered: name it with --ca-url and --fingerprint."],
  ["only a URL is given", ["--ca-url", "https://127.0.0.1:1"], "No fingerprint is remembered"],
  ["only a root is given", ["--fingerprint", "cd".repeat(32)], "No URL is remembered"],
])("it is refused as usage when %s", async (_name, args, message) => {
  const workspace = await scene();
  const ran = await enroll(workspace, "client", ...args);
  expect(ran).toMatchObject({ code: 2, stdout: "" });
  expect(JSON.parse(ran.stderr)).toMatchObject({
    code: "CA_NOT_REMEMBERED",
    message: expect.stringContaining(message) as string,
  });
  expect(existsSync(workspace.file("client.key"))).toBe(false);
});

test.each<[string, (folder: string) => void]>([
  [
    "is no JSON",
    (file) => {
      writeFileSync(file, "{");
    },
  ],
  [
    "names another root",
    (file) => {
      writeFileSync(file, JSON.stringify({ caUrl: server.ca, fingerprint: "ef".repeat(32) }));
    },
  ],
  [
    "names no https URL",
    (file) => {
      writeFileSync(file, JSON.stringify({ caUrl: "http://ca.test", fingerprint: server.rootFingerprint }));
    },
  ],
])("a file that %s is not believed", async (_name, spoil) => {
  const workspace = await scene();
  rememberCa({ caUrl: server.ca, fingerprint: server.rootFingerprint }, process.env);
  spoil(remembered(workspace, `cas/${server.rootFingerprint}.json`));
  expect(rememberedCaUrl(server.rootFingerprint, process.env)).toBeUndefined();
  expect(await enroll(workspace, "client")).toMatchObject({ code: 2 });
});

test.each<[string, (workspace: Workspace) => void]>([
  [
    "cannot be written",
    (workspace) => {
      writeFileSync(workspace.file("countersign"), "");
    },
  ],
  [
    "is nowhere",
    () => {
      vi.stubEnv("XDG_CONFIG_HOME", "relative");
      vi.stubEnv("HOME", "");
    },
  ],
])("a home that %s is warned of, and the certificate is there", async (_name, spoil) => {
  const workspace = await scene();
  spoil(workspace);
  const ran = await enroll(workspace, "client", ...named());
  expect(ran.code).toBe(0);
  expect(ran.stderr).toMatch(/^countersign: the CA is not remembered: .+\n$/);
  expect(existsSync(workspace.file("client.cert"))).toBe(true);
});

test("a home is where nothing else is said", async () => {
  const workspace = await testWorkspace();
  mkdirSync(workspace.file("home"));
  vi.stubEnv("XDG_CONFIG_HOME", "");
  vi.stubEnv("HOME", workspace.file("home"));
  rememberCa({ caUrl: server.ca, fingerprint: server.rootFingerprint }, process.env);
  expect(existsSync(workspace.file(`home/.config/countersign/cas/${server.rootFingerprint}.json`))).toBe(
    true,
  );
});
