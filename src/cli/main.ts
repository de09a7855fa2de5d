const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major > 24 || (major === 24 && minor >= 8)) {
  const { run } = await import("./run.ts");
  process.exitCode = await run(process.argv.slice(2));
} else {
  process.stderr.write(`countersign needs Node 24.8 or newer; this is ${process.version}.\n`);
  process.exitCode = 1;
}

export {};
