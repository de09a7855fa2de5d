import { join } from "node:path";
import { expect, test } from "vitest";
import { judged } from "../support/crl-judge.ts";
import { crlScene } from "../support/crl-scene.ts";
import { page, recipe, unindented } from "../support/docs.ts";
import { projectRoot, runOk } from "../support/run.ts";

const scene = crlScene();
const source = "examples/revocation/java/Server.java";

judged(scene, {
  name: "java",
  version: ["java", "-version"],
  refusal: 0,
  reload: undefined, // it sees for itself
  async prepare(port, folder) {
    const store = join(folder, "server.p12");
    const password = "only for this test";
    const secret = `pass:${password}`;
    await runOk("openssl", ["pkcs12", "-export", "-in", scene.pem, "-out", store, "-passout", secret]);
    const program = join(projectRoot, source);
    return ["java", program, String(port), store, password, scene.server.root, scene.all];
  },
});

test("docs/revocation.md shows what was tried", () => {
  expect(unindented(page(source))).toContain(unindented(recipe("java")));
});
