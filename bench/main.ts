// npm run bench -- NAME [--json]
import { benchRevoke } from "./revoke.ts";

const benches: Readonly<Record<string, () => Promise<{ text: string; figures: object }>>> = {
  revoke: benchRevoke,
};

const [name = "", ...flags] = process.argv.slice(2);
const bench = benches[name];
if (bench) {
  const { text, figures } = await bench();
  process.stdout.write(`${flags.includes("--json") ? JSON.stringify(figures) : text}\n`);
} else {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(benches).join("|")} [--json]\n`);
  process.exitCode = 2;
}
