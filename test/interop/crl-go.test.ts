import { join } from "node:path";
import { expect, test } from "vitest";
import { keepAlive } from "../support/client.ts";
import { judged } from "../support/crl-judge.ts";
import { crlScene } from "../support/crl-scene.ts";
import { page, recipe, unindented } from "../support/docs.ts";
import { goEnvironment } from "../support/go-program.ts";
import { projectRoot, runOk } from "../support/run.ts";

const scene = crlScene();

judged(
  scene,
  {
    name: "go",
    version: ["go", "version"],
    refusal: 0,
    reload: undefined, // it sees for itself
    async prepare(port, folder) {
      const program = join(folder, "server");
      await runOk("go", ["build", "-buildvcs=false", "-o", program, "."], {
        cwd: join(projectRoot, "examples/revocation/go"),
        env: goEnvironment,
      });
      const files = ["-cert", scene.pem, "-root", scene.server.root, "-crls", scene.all];
      return [program, "-listen", `127.0.0.1:${String(port)}`, ...files];
    },
  },
  (server) => {
    test("refuses the next request on an open connection", async () => {
      await scene.server.admin("resume", scene.held.serial);
      await scene.publish();
      const agent = keepAlive(scene.held);
      expect(await server.status(agent)).toBe(200);
      await scene.server.admin("suspend", scene.held.serial);
      await scene.publish();
      expect(await server.status(agent)).toBe(403);
      agent.destroy();
    });
  },
);

test("docs/revocation.md shows what was tried", () => {
  const source = page("examples/revocation/go/main.go") + page("examples/revocation/go/revocation.go");
  expect(unindented(source)).toContain(unindented(recipe("go")));
});
