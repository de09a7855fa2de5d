import { join } from "node:path";
import { expect, test } from "vitest";
import { projectRoot, run } from "./support/run.ts";

// That the bench still runs, and what it says has the form that docs/performance.md speaks of; not how fast.

test(
  "issuing is measured over HTTPS, in process, and beside bare signatures",
  { timeout: 180_000 },
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

test("OCSP answers are measured beside openssl's", { timeout: 120_000 }, async () => {
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

test("CRLs are measured in a server, and beside openssl", { timeout: 180_000 }, async () => {
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

test.each([
  ["another bench", ["fly"]],
  ["a count that is none", ["issue", "--count", "few"]],
  ["a flag that there isn't", ["issue", "--fast"]],
  ["a flag of another bench", ["ocsp", "--count", "3"]],
])("%s is refused", async (_name, flags) => {
  const { code, stdout, stderr } = await run(process.execPath, [
    join(projectRoot, "bench/main.ts"),
    ...flags,
  ]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^usage: npm run bench -- crl\|enforce\|issue\|revoke\|ocsp \[--json\]$/m);
});
