import { join } from "node:path";
import { expect, test } from "vitest";
import { page } from "../support/docs.ts";
import { exampleScene } from "../support/example-client.ts";
import { requireProgram } from "../support/judges.ts";
import { projectRoot, runOk } from "../support/run.ts";

const scene = exampleScene();

function source(...names: string[]): string {
  return join(projectRoot, "examples/clients", ...names);
}

/** The standard library alone; nothing is downloaded. */
const goEnv = {
  ...process.env,
  GOCACHE: join(projectRoot, "node_modules/.cache/go"),
  GOPROXY: "off",
  GOTOOLCHAIN: "local",
  CGO_ENABLED: "0",
};

test.concurrent("go", async (context) => {
  requireProgram(context, "go", "golang-go");
  const program = scene.server.workspace.file("go-client");
  await runOk("go", ["build", "-buildvcs=false", "-o", program, "."], { cwd: source("go"), env: goEnv });
  await scene.play({ name: "go", program: [program] });
});

test.concurrent("java", async (context) => {
  requireProgram(context, "javac", "default-jdk-headless");
  const classes = scene.server.workspace.file("java-client");
  await runOk("javac", ["-Xlint:all", "-Werror", "-d", classes, source("java", "Client.java")]);
  // A program so short-lived is sooner done without what takes time to begin.
  const quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
  await scene.play({ name: "java", program: ["java", ...quick, "-cp", classes, "Client"] });
});

test("README says which of them ran here", () => {
  const readme = page("examples/clients/README.md");
  const ran = (name: string) =>
    new RegExp(`^\\| \\[${name}\\].*\\| (yes|no): [^|]*\\|$`, "m").exec(readme)?.[1];
  expect({ go: ran("go"), java: ran("java"), csharp: ran("csharp") }).toEqual({
    go: "yes",
    java: "yes",
    csharp: "no",
  });
});
