import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { isRunning } from "../src/cli/state.ts";
import type { Listening } from "../src/main.ts";
import { projectRoot, run } from "./support/run.ts";
import { testWorkspace } from "./support/workspace.ts";

const demo = join(projectRoot, "scripts", "demo.ts");

const titles = [
  "1. Start the CA and the enforcing server",
  "2. Make a key and a CSR with openssl",
  "3. Enrol with curl; the token is read from its file",
  "4. Call: the server says who it takes us for",
  "5. Revoke the certificate, in another process",
  "6. Call again: refused",
  "7. Make another token, in a file that only we can read",
  "8. Enrol with countersign",
  "9. Call with countersign",
  "10. Revoke that one too",
  "11. Call again: refused",
];

/** The one line of JSON that `serve --json` prints. */
function listeningIn(printed: string): Listening {
  return JSON.parse(/^\{"event":"listening".*$/m.exec(printed)?.[0] ?? "") as Listening;
}

test("the demo plays every step and takes everything away again", async () => {
  const { code, stdout, stderr } = await run(process.execPath, [demo]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout.match(/^\d+\. .*$/gm)).toEqual(titles);
  expect(stdout).toContain('{"account":"demo",');
  expect(stdout).toContain('"code":"CERT_REVOKED"');
  expect(stdout).toContain("(CERT_REVOKED)");
  expect(stdout).toMatch(/Every step did what it says\.\n$/);
  expect(stdout).not.toContain("cst_");
  const { home, pid } = listeningIn(stdout);
  expect(existsSync(home)).toBe(false);
  expect(isRunning(pid)).toBe(false);
});

test("a step that does something else fails the demo, and nothing stays behind", async () => {
  const workspace = await testWorkspace();
  await writeFile(workspace.file(".curlrc"), "max-time = 0.001\n"); // no call gets an answer
  const env = { ...process.env, CURL_HOME: workspace.path };
  const { code, stdout, stderr } = await run(process.execPath, [demo], { env });
  expect(code).toBe(1);
  expect(stderr).toContain("The demo failed: step 3 exited 28.");
  expect(stdout).not.toContain("Every step did what it says.");
  const { home, pid } = listeningIn(stdout);
  expect(existsSync(home)).toBe(false);
  expect(isRunning(pid)).toBe(false);
});
