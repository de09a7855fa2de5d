import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectRoot, run } from "../support/run.ts";
import { testWorkspace } from "../support/workspace.ts";

const builder = JSON.stringify(join(projectRoot, "src/x509/crl-builder.ts"));
const program = `import { crlBuilder } from ${builder};
  const made = crlBuilder(true);
  await made.put("01,1700000000000,1,1800000000000", 1);
  await made.close();
  console.log("made");`;

/** Without what root has by itself: to take a niceness back. */
const asUser = ["setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"];

test.skipIf(process.platform !== "linux" || process.getuid?.() !== 0)(
  "a large list is made by a process that is nicer than its thread would be",
  async () => {
    const file = (await testWorkspace()).file("program.mjs");
    writeFileSync(file, program);
    const command = [...asUser, process.execPath, file];
    expect(await run("nice", ["-n", "15", ...command])).toMatchObject({ code: 0, stdout: "made\n" });
  },
);
