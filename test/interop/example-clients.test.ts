import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "vitest";
import { exampleScene } from "../support/example-client.ts";
import { projectRoot } from "../support/run.ts";

const scene = exampleScene();

/** What runs each; a command that succeeds where it can be run; and the Debian packages that it takes. */
const clients = [
  { name: "curl", interpreter: "sh", source: "client.sh", tried: ["curl", "--version"], packages: "curl" },
  {
    name: "python",
    interpreter: "python3",
    source: "client.py",
    tried: ["python3", "-V"],
    packages: "python3",
  },
  { name: "ruby", interpreter: "ruby", source: "client.rb", tried: ["ruby", "-v"], packages: "ruby" },
  {
    name: "php",
    interpreter: "php",
    source: "client.php",
    tried: ["php", "--ri", "curl"],
    packages: "php-cli php-curl",
  },
] as const;

test.concurrent.for(clients)("$name", async ({ name, interpreter, source, tried, packages }, { skip }) => {
  const [command, ...args] = tried;
  if (spawnSync(command, args).status !== 0) skip(`it cannot run here: install Debian's ${packages}`);
  await scene.play({ name, program: [interpreter, join(projectRoot, "examples/clients", name, source)] });
});
