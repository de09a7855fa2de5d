import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createFileAtomically, writeFileAtomically } from "../../src/files/files.ts";
import { projectRoot, run } from "../support/run.ts";
import { testWorkspace } from "../support/workspace.ts";

const contents = "0123456789abcdef\n".repeat(1000);

/** Calls one of the functions in a process that may write no file beyond 4 KiB: as on a disk that is full. */
async function whenFull(call: string): Promise<{ code: number | null; stderr: string }> {
  const program = `import * as files from ${JSON.stringify(join(projectRoot, "src/files/files.ts"))};
    const contents = ${JSON.stringify(contents)};
    files.${call};`;
  const limited = [
    "-c",
    'ulimit -f 8 && exec "$@"',
    "sh",
    process.execPath,
    "--input-type=module-typescript",
    "-e",
  ];
  return run("sh", [...limited, program], { env: { ...process.env, NODE_COMPILE_CACHE: undefined } });
}

test.each([
  ["a new file", "writeFileAtomically"],
  ["a file that must not be there", "createFileAtomically"],
])("%s is there whole or not at all when the disk is full", async (_name, name) => {
  const workspace = await testWorkspace();
  const path = workspace.file("large.pem");
  const ran = await whenFull(`${name}(${JSON.stringify(path)}, contents, 0o600)`);
  expect(ran.code).not.toBe(0);
  expect(ran.stderr).toContain(`${path} cannot be written.`);
  expect(readdirSync(workspace.path)).toEqual([]);
});

test("what was there stays as it was when the disk is full", async () => {
  const path = (await testWorkspace()).file("kept.pem");
  writeFileSync(path, "before");
  expect((await whenFull(`writeFileAtomically(${JSON.stringify(path)}, contents, 0o600)`)).code).not.toBe(0);
  expect(readFileSync(path, "latin1")).toBe("before");
});

test("a journal's entry that does not fit is told", async () => {
  const path = (await testWorkspace()).file("journal.jsonl");
  const ran = await whenFull(`appendDurably(${JSON.stringify(path)}, contents)`);
  expect(ran.stderr).toContain(`${path} cannot be written.`);
});

test("of several who create a file, one does", async () => {
  const path = (await testWorkspace()).file("one");
  expect([1, 2, 3].map((number) => createFileAtomically(path, String(number), 0o600))).toEqual([
    true,
    false,
    false,
  ]);
  expect(readFileSync(path, "latin1")).toBe("1");
  writeFileAtomically(path, "4", 0o644);
  expect(readFileSync(path, "latin1")).toBe("4");
  expect(statSync(path).mode & 0o777).toBe(0o644);
  expect(existsSync(`${path}.tmp`)).toBe(false);
});
