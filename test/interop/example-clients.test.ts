import { join } from "node:path";
import { test } from "vitest";
import { exampleScene } from "../support/example-client.ts";
import { requireProgram } from "../support/judges.ts";
import { projectRoot } from "../support/run.ts";

const scene = exampleScene();

/** By language: its interpreter, and that one's Debian package. */
const clients = {
  python: { interpreter: "python3", source: "client.py" },
  ruby: { interpreter: "ruby", source: "client.rb" },
  php: { interpreter: "php", source: "client.php" },
};

test.concurrent.for(Object.entries(clients))("%s", async ([name, { interpreter, source }], context) => {
  requireProgram(context, interpreter);
  const program = [interpreter, join(projectRoot, "examples/clients", name, source)];
  await scene.play({ name, program });
});
