import { Registry } from "prom-client";
import { beforeAll, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { registerCredentialGauges } from "../../src/http/credential-gauges.ts";
import { revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  type TestIssuing,
  freshAccount,
  makeCsr,
  makeIssuing,
  signRecord,
  testClock,
  testLogger,
} from "../support/issuing.ts";

/** Samples by name and label, without those that are 0. */
async function scrape(registry: Registry): Promise<Record<string, number>> {
  const lines = (await registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const samples = lines.map((line) => line.replace(/^countersign_/, "").split(" ") as [string, string]);
  return Object.fromEntries(
    samples.map(([name, value]) => [name, Number(value)] as const).filter(([, value]) => value > 0),
  );
}

onEachDatabase("the gauges of credentials", (db) => {
  let parts: TestIssuing;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  test("count what is on record, by state, reason and end", async () => {
    const account = (await freshAccount(parts)).slug;
    const sign = async (life: number) =>
      signRecord(parts, "cli:tester", {
        ...{ account, csr: await makeCsr(), profile: "client", notAfter: START + life },
      });
    for (const life of [30 * MINUTE, 2 * HOUR, 2 * HOUR, 3 * DAY]) await sign(life);
    await suspend(db.database, parts, await sign(2 * HOUR));
    await revoke(db.database, parts, await sign(2 * HOUR), "superseded");
    await revoke(db.database, parts, await sign(2 * HOUR), "keyCompromise");
    await revoke(db.database, parts, await sign(10 * MINUTE), "unspecified");

    const [registry, clock] = [new Registry(), testClock()];
    let asked = 0;
    let fails = false;
    const logger = testLogger();
    const tally = (ends: readonly number[]) => {
      asked += 1;
      return fails ? Promise.reject(new Error("gone")) : db.database.certificates.tally(ends);
    };
    registerCredentialGauges(registry, clock, tally, logger);
    const before = {
      'credentials_on_record{state="active"}': 4,
      'credentials_on_record{state="suspended"}': 1,
      'credentials_on_record{state="revoked"}': 3,
      'revocations_on_record{reason="superseded"}': 1,
      'revocations_on_record{reason="keyCompromise"}': 1,
      'revocations_on_record{reason="unspecified"}': 1,
      'credentials_ending{within="1h"}': 1,
      'credentials_ending{within="1d"}': 3,
      'credentials_ending{within="7d"}': 4,
      'credentials_ending{within="30d"}': 4,
      'credentials_ending{within="90d"}': 4,
    };
    expect(await scrape(registry)).toEqual(before);
    clock.advance(29 * SECOND);
    expect(await scrape(registry)).toEqual(before);
    expect(asked).toBe(1);

    fails = true;
    clock.advance(SECOND);
    expect(await scrape(registry)).toEqual(before);
    expect(logger.lines).toMatchObject([{ level: "warn", fields: { err: { message: "gone" } } }]);
    fails = false;
    clock.advance(HOUR);
    expect(await scrape(registry)).toMatchObject({
      'credentials_on_record{state="active"}': 3,
      'credentials_on_record{state="suspended"}': 1,
      'credentials_on_record{state="expired"}': 1,
      'credentials_on_record{state="revoked"}': 3,
      'credentials_ending{within="1h"}': 2,
    });
    expect(asked).toBe(3);
  });
});
