import { join } from "node:path";
import { expect, test } from "vitest";
import { page } from "./support/docs.ts";
import { projectRoot, run } from "./support/run.ts";

// That the bench still runs, and what it says has the form that docs/performance.md speaks of; not how fast.

test(
  "issuing is measured over HTTPS, in process, and beside bare signatures",
  { timeout: 300_000 },
  async () => {
    const args = [join(projectRoot, "bench/main.ts"), "issue", "--json", "--count", "20"];
    const { code, stdout, stderr } = await run(process.execPath, args);
    expect(code, stderr).toBe(0);
    const figures = JSON.parse(stdout) as { cells: readonly Record<string, unknown>[]; peers: unknown[] };
    const positive = expect.toSatisfy((value: unknown) => Number(value) > 0) as number;
    expect(figures.cells).toEqual([
      expect.objectContaining({
        client: "ec-p256",
        issuer: "ec-p256",
        certificates: 20,
        perSecond: positive,
        latency: { p50: positive, p99: positive, max: positive },
        inProcess: { perSecond: positive, latency: { p50: positive, p99: positive } },
        barePerSecond: positive,
        ofBare: positive,
      }),
    ]);
    expect(figures.peers).toHaveLength(2);
  },
);

test("OCSP answers are measured beside openssl's", { timeout: 300_000 }, async () => {
  const args = [join(projectRoot, "bench/main.ts"), "ocsp", "--json", "--quick"];
  const { code, stdout, stderr } = await run(process.execPath, args);
  expect(code, stderr).toBe(0);
  const { rows, peer } = JSON.parse(stdout) as { rows: readonly Record<string, unknown>[]; peer: object };
  const positive = expect.toSatisfy((value: unknown) => Number(value) > 0) as number;
  const measured = { perSecond: positive, latency: { p50: positive, p99: positive } };
  expect(peer).toMatchObject({ name: "openssl ocsp, nonce", connection: "its own", ...measured });
  const names = rows.map(({ name, connection }) => [name, connection]);
  expect(names).toEqual([
    ["kept answers", "kept alive"],
    ["signed for a nonce", "kept alive"],
    ["kept answers", "its own"],
    ["signed for a nonce", "its own"],
  ]);
  for (const row of rows) expect(row).toMatchObject({ ...measured, ofOpenssl: positive });
});

test("CRLs are measured in a server, and beside openssl", { timeout: 300_000 }, async () => {
  const args = [join(projectRoot, "bench/main.ts"), "crl", "--json", "--entries", "50"];
  const { code, stdout, stderr } = await run(process.execPath, args);
  expect(code, stderr).toBe(0);
  const { crls } = JSON.parse(stdout) as { crls: readonly Record<string, unknown>[] };
  const positive = expect.toSatisfy((value: unknown) => Number(value) > 0) as number;
  expect(crls).toEqual([
    expect.objectContaining({
      ...{ entries: 50, fromDatabaseMs: positive, oneMoreMs: [positive, positive, positive] },
      ...{ idleMiB: positive, peakMiB: positive, opensslMs: positive },
      calls: expect.objectContaining({ made: positive, failed: 0 }) as object,
    }),
  ]);
});

test("the enforcer is measured beside bare Node", { timeout: 300_000 }, async () => {
  const args = [join(projectRoot, "bench/main.ts"), "enforce", "--json", "--quick"];
  const { code, stdout, stderr } = await run(process.execPath, args);
  expect(code, stderr).toBe(0);
  const { rows, index, revocations } = JSON.parse(stdout) as Record<string, Record<string, unknown>[]>;
  const positive = expect.toSatisfy((value: unknown) => Number(value) > 0) as number;
  const cell = { perSecond: positive, serverCpuMicroseconds: positive, loadShare: positive };
  const compared = { ...cell, ofBaseline: positive, cpuOfBaseline: positive };
  const named = (name: string, each: object) =>
    expect.objectContaining({
      name,
      cells: {
        full: expect.objectContaining(each) as object,
        resumed: expect.objectContaining(each) as object,
        "kept alive": expect.objectContaining({
          ...each,
          eventLoopDelay: expect.anything() as object,
        }) as object,
      },
    }) as object;
  // Others come after these where they are installed.
  expect(rows?.slice(0, 4)).toEqual([
    named("node:https", cell),
    named("enforcer", compared),
    named("Express", cell),
    named("enforcer with Express", compared),
  ]);
  expect(index).toMatchObject({ loadMs: positive });
  const spread = { p50: positive, p99: positive, max: positive };
  const felt = { revocations: 5, committed: spread, refused: spread, otherCalls: positive };
  expect(revocations).toEqual([
    { by: "same process", ...felt },
    { by: "another process", ...felt },
  ]);
});

test("the gateway is measured beside other reverse proxies", { timeout: 300_000 }, async () => {
  const args = [join(projectRoot, "bench/main.ts"), "gateway", "--json", "--quick"];
  const { code, stdout, stderr } = await run(process.execPath, args);
  expect(code, stderr).toBe(0);
  const { rows } = JSON.parse(stdout) as { rows: readonly { name: string; ratios: readonly object[] }[] };
  const positive = expect.toSatisfy((value: unknown) => Number(value) > 0) as number;
  const cell = { perSecond: positive, serverCpuMicroseconds: positive, p99: positive };
  const [gateway, ...others] = rows;
  for (const row of rows)
    expect(row).toMatchObject({ memory: positive, cells: { "kept alive": cell, down: cell, up: cell } });
  // The others are there where they are installed.
  const ratios = { requests: positive, cpu: positive, p99: positive, down: positive, up: positive };
  expect(gateway).toMatchObject({
    name: "gateway",
    ratios: others.map(({ name }) => ({ to: name, ...ratios, memoryOf: positive })),
  });
});

test("a newcomer's first call is timed, by README's commands", { timeout: 300_000 }, async () => {
  const args = [join(projectRoot, "bench/main.ts"), "first-call", "--json", "--limit", "250"];
  const { code, stdout, stderr } = await run(process.execPath, args);
  expect(code, stderr).toBe(0);
  const { totalMilliseconds, parts } = JSON.parse(stdout) as {
    totalMilliseconds: number;
    parts: readonly { what: string; milliseconds: number }[];
  };
  const of = (words: string): object => ({
    what: expect.stringContaining(words) as string,
    milliseconds: expect.toSatisfy((value: unknown) => Number(value) > 0) as number,
  });
  const words = ["npm start", "countersign token create", "countersign enroll", "countersign whoami"];
  expect(parts).toEqual(words.map(of));
  expect(parts.reduce((sum, { milliseconds }) => sum + milliseconds, 0)).toBe(totalMilliseconds);
});

test("docs/performance.md has what the benches of enforcer and gateway write, and the chart", () => {
  const text = page("docs/performance.md");
  for (const name of ["enforce", "enforce revocations", "enforce --grid", "gateway"]) {
    const part = text.split(`<!-- bench ${name} -->`)[1]?.split(`<!-- /bench ${name} -->`)[0];
    expect(part, name).toMatch(/^\n(\n(\|.*\|\n){4,})+\n$/);
  }
  expect(text).toContain("](enforce.svg)");
  expect(page("docs/enforce.svg")).toMatch(/^<svg [\s\S]*>enforcer<[\s\S]*<\/svg>\n$/);
});

test.each([
  ["another bench", ["fly"]],
  ["a count that is none", ["issue", "--count", "few"]],
  ["a flag that there isn't", ["issue", "--fast"]],
  ["a flag of another bench", ["ocsp", "--count", "3"]],
  ["a flag that the enforcer's hasn't", ["enforce", "--count", "3"]],
  ["a flag that the gateway's hasn't", ["gateway", "--grid"]],
  ["a flag that the first call's hasn't", ["first-call", "--quick"]],
])("%s is refused", async (_name, flags) => {
  const { code, stdout, stderr } = await run(process.execPath, [
    join(projectRoot, "bench/main.ts"),
    ...flags,
  ]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(
    /^usage: npm run bench -- crl\|enforce\|first-call\|gateway\|issue\|revoke\|ocsp \[--json\]$/m,
  );
});
