import { join } from "node:path";
import { test } from "vitest";
import { exampleScene } from "../support/example-client.ts";
import { goEnvironment } from "../support/go-program.ts";
import { requireProgram } from "../support/judges.ts";
import { projectRoot, runOk } from "../support/run.ts";

const scene = exampleScene();

function source(...names: string[]): string {
  return join(projectRoot, "examples/clients", ...names);
}

test.concurrent("go", async (context) => {
  requireProgram(context, "go", "golang-go");
  const program = scene.server.workspace.file("go-client");
  await runOk("go", ["build", "-buildvcs=false", "-o", program, "."], {
    cwd: source("go"),
    env: goEnvironment,
  });
  await scene.play({ name: "go", program: [program] });
});

test.concurrent("java", async (context) => {
  requireProgram(context, "javac", "default-jdk-headless");
  const classes = scene.server.workspace.file("java-client");
  const quickly = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"];
  await runOk("javac", [...quickly, "-Xlint:all", "-Werror", "-d", classes, source("java", "Client.java")]);
  // A program so short-lived is sooner done without what takes time to begin.
  const quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
  await scene.play({ name: "java", program: ["java", ...quick, "-cp", classes, "Client"] });
});
