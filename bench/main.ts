// npm run bench -- NAME [--json] [the bench's own flags]
import { benchCrl } from "./crl.ts";
import { benchEnforce } from "./enforce.ts";
import { benchFirstCall } from "./first-call.ts";
import { benchGateway } from "./gateway.ts";
import { benchIssue } from "./issue.ts";
import { benchOcsp } from "./ocsp.ts";
import { benchRevoke } from "./revoke.ts";

type Bench = (flags: readonly string[]) => Promise<{ text: string; figures: object }>;

const benches: Readonly<Record<string, Bench>> = {
  crl: benchCrl,
  enforce: benchEnforce,
  "first-call": benchFirstCall,
  gateway: benchGateway,
  issue: benchIssue,
  revoke: benchRevoke,
  ocsp: benchOcsp,
};

const [name = "", ...flags] = process.argv.slice(2);
const bench = benches[name];
if (bench) {
  try {
    const { text, figures } = await bench(flags.filter((flag) => flag !== "--json"));
    process.stdout.write(`${flags.includes("--json") ? JSON.stringify(figures) : text}\n`);
  } catch (error) {
    fail(error as Error & { code?: unknown });
  }
} else {
  sayUsage();
}

function fail(error: Error & { code?: unknown }): void {
  if (process.exitCode !== undefined) return; // interrupted: nothing to explain
  if (String(error.code).startsWith("ERR_PARSE_ARGS")) {
    process.stderr.write(`${error.message}\n`);
    sayUsage();
    return;
  }
  process.stderr.write(`bench ${name}: ${error.stack ?? error.message}\n`);
  process.exitCode = 1;
}

function sayUsage(): void {
  process.stderr.write(
    `usage: npm run bench -- ${Object.keys(benches).join("|")} [--json]\n` +
      "       npm run bench -- issue [--json] [--quick | --count N]\n" +
      "       npm run bench -- ocsp [--json] [--quick]\n" +
      "       npm run bench -- crl [--json] [--entries N]\n" +
      "       npm run bench -- enforce [--json] [--quick] [--grid] [--write]\n" +
      "       npm run bench -- gateway [--json] [--quick] [--write]\n" +
      "       npm run bench -- first-call [--json] [--limit SECONDS]\n",
  );
  process.exitCode = 2;
}
