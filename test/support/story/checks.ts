import { expect } from "vitest";
import { type Serial, parseSerial } from "../../../src/domain/identifiers.ts";
import type { TestIssuing } from "../issuing.ts";
import { certId, extensions, nonceOf, readSigned, requestOf } from "../ocsp.ts";
import type { Line, Model } from "./model.ts";
import type { StoryServer } from "./server.ts";

/** What the records say of each, and of its account. */
export async function checkDatabase(parts: TestIssuing, model: Model): Promise<void> {
  const { database, issuer } = parts;
  const records = (await database.certificates.list({ issuer: issuer.id }))
    .filter(({ accountId }) => accountId !== undefined)
    .map(({ serial, account, status, statusAt, reason }) => [serial, { account, status, statusAt, reason }]);
  const told = model.certificates.map(({ record, account, status, at, reason }) => [
    record.serial,
    { account: model.accounts[account]?.slug, status, statusAt: at, reason },
  ]);
  expect(new Map(records as never), "the database").toEqual(new Map(told as never));
  const accounts = await database.accounts.list();
  for (const { slug, suspendedAt } of model.accounts) {
    expect(accounts.find((one) => one.slug === slug)).toMatchObject({
      ...{ suspendedAt, status: suspendedAt === undefined ? "active" : "suspended" },
    });
  }
}

/** Each by itself, which may be kept, and all together with a nonce, which is signed for this one request. */
export async function checkOcsp(parts: TestIssuing, server: StoryServer, model: Model): Promise<void> {
  const { issuer, clock } = parts;
  const statusOf = (line: Line | undefined) =>
    line === undefined ? "good" : { at: new Date(line.at).toISOString(), reason: line.reason };
  const all = [...model.certificates, ...model.responders];
  const meant = all.map((one) => [one.record.serial, statusOf(model.line(one))] as const);
  const asked: (readonly [Serial, unknown])[] = [...meant, [NEVER, "unknown"]];
  const requestExtensions = extensions(2, nonceOf(Buffer.alloc(32, 7)));
  const ids = asked.map(([serial]) => certId(issuer, serial));
  const together = readSigned((await server.responder.answer(requestOf(ids, { requestExtensions }))).der);
  const told = together.singles.map(({ status }, index) => [asked[index]?.[0], status]);
  expect(told, "OCSP, with a nonce").toEqual(asked);
  expect([together.isSigned, together.nonce]).toEqual([true, "07".repeat(32)]);
  const ended = model.responders.map(({ record }) => Buffer.from(record.der).toString("hex"));
  for (const [serial, status] of meant) {
    const { singles, isSigned, certificate } = readSigned(
      (await server.responder.answer(requestOf([certId(issuer, serial)]))).der,
    );
    const [single] = singles;
    expect([single?.status, isSigned], `OCSP of ${serial}, that may be kept`).toEqual([status, true]);
    expect(ended, "who signs").not.toContain(Buffer.from(certificate).toString("hex"));
    expect(single?.thisUpdate).toBeLessThanOrEqual(clock.now());
    expect(single?.nextUpdate).toBeGreaterThan(clock.now());
  }
}

/** Longer than what is issued. */
const NEVER = parseSerial(`7f${"00".repeat(19)}`);
