import { beforeAll, expect, test } from "vitest";
import { Allowance } from "../../src/domain/allowance.ts";
import { parseCidr } from "../../src/domain/address.ts";
import type { Refusal } from "../../src/domain/errors.ts";
import { parseScope, parseSlug } from "../../src/domain/names.ts";
import { DAY, SECOND } from "../../src/domain/time.ts";
import { openRequests } from "../../src/serve/approval.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { ask } from "../../src/services/issue/ask.ts";
import { denyRequestsFrom } from "../../src/services/requests.ts";
import { blockKey } from "../../src/services/keys.ts";
import { onEachDatabase } from "../support/databases.ts";
import { enrolRecord, expectRefusal, freshAccount, freshToken, makeCsr } from "../support/issuing.ts";
import {
  type RequestParts,
  approve,
  asked,
  deny,
  keyOf,
  makeRequesting,
  statusOf,
} from "../support/requests.ts";

onEachDatabase("too many requests without a token", (db) => {
  let parts: RequestParts;
  let other: RequestParts;
  beforeAll(async () => {
    [parts, other] = await makeRequesting(db);
  });

  test("that wait are limited, for an address and in all; what is decided or has ended takes no place", async () => {
    parts.clock.advance(3 * DAY);
    const own = { address: "2001:db8::1", addressGroup: "2001:db8:0:0::/64" };
    const mine = await Promise.all(Array.from({ length: 4 }, () => makeCsr()));
    const [first, ...rest] = mine as [Buffer, Buffer, Buffer, Buffer];
    for (const csr of mine.slice(0, 3)) await ask(parts, asked(csr, own));
    const before = await db.dump();
    const steps: string[] = [];
    const watched = { ...parts, onStep: (step: string) => steps.push(step) };
    const beyond = () => ask(watched, asked(rest[2], { ...own, address: "2001:db8::2" }));
    await expectRefusal(
      beyond(),
      "REQUEST_LIMIT",
      "Too many requests from this address wait for an admin already.",
    );
    expect(steps).toEqual(["parse"]); // no signature is verified for a flood
    const crowded = { ...parts, limits: { pendingPerAddress: 3, pending: 3 } };
    await expectRefusal(
      ask(crowded, asked(rest[2])),
      "REQUEST_LIMIT",
      "Too many requests wait for an admin already. Try again later.",
    );
    expect(await db.dump()).toEqual(before);
    expect((await ask(crowded, asked(first, own))).pending?.status).toBe("pending"); // who waits already is heard
    await deny(parts, first);
    expect((await beyond()).pending?.status).toBe("pending");
    parts.clock.advance(DAY);
    expect((await ask(crowded, asked(await makeCsr(), own))).pending?.status).toBe("pending");
  });

  test("are limited for a line of IPv6 too, whose other neighbours are heard", async () => {
    const from = (network: number, host: number) => ({
      address: `2001:db8:7:${network.toString(16)}::${String(host)}`,
      addressGroup: `2001:db8:7:${network.toString(16)}::/64`,
    });
    for (let network = 0; network < 10; network++) {
      for (let host = 1; host <= 3; host++) await ask(parts, asked(await makeCsr(), from(network, host)));
    }
    const [csr, next] = [await makeCsr(), await makeCsr()];
    await expectRefusal(
      ask(parts, asked(csr, from(0xff, 1))),
      "REQUEST_LIMIT",
      "Too many requests from this network wait for an admin already.",
    );
    expect((await ask(parts, asked(next, from(0x100, 1)))).pending?.status).toBe("pending");
  });

  test("are denied for a range of addresses at once, each with its change; others go on waiting", async () => {
    const flood = await Promise.all(Array.from({ length: 3 }, () => makeCsr()));
    const [elsewhere, approved] = [await makeCsr(), await makeCsr()];
    for (const [host, csr] of flood.entries()) {
      await ask(parts, asked(csr, { address: `2001:db8:8:${String(host)}::1` }));
    }
    await ask(parts, asked(elsewhere, { address: "2001:db8:9::1" }));
    await ask(parts, asked(approved, { address: "2001:db8:8:9::1" }));
    await approve(parts, approved, await freshAccount(parts));
    const range = parseCidr("2001:db8:8::/48");
    const before = await db.database.changes.last();
    const denied = await denyRequestsFrom(db.database, parts, range, "a flood");
    expect(denied.map(({ spkiHash }) => spkiHash).sort()).toEqual(flood.map(keyOf).sort());
    const changes = await db.database.changes.after(before, 10);
    expect(changes.map(({ action, subject }) => `${action} ${subject}`).sort()).toEqual(
      flood.map((csr) => `request.deny ${keyOf(csr)}`).sort(),
    );
    for (const csr of flood) await expectRefusal(statusOf(parts, csr), "REQUEST_DENIED");
    expect(await statusOf(parts, elsewhere)).toBe("pending");
    expect(await statusOf(parts, approved)).toMatchObject({ status: "active" });
    await expectRefusal(
      denyRequestsFrom(db.database, parts, range, undefined),
      "NOT_FOUND",
      "No request from 2001:db8:8::/48 waits.",
    );
  });

  test("at the same instant on two nodes go beyond no limit", async () => {
    const own = { address: "192.0.2.99", addressGroup: "192.0.2.99" };
    const many = await Promise.all(Array.from({ length: 10 }, () => makeCsr()));
    const outcomes = await Promise.allSettled(
      many.map((csr, index) => ask(index % 2 === 0 ? parts : other, asked(csr, own))),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    const { ofAddress } = await db.database.requests.pending("192.0.2.99", parts.clock.now());
    expect(ofAddress).toBe(3);
  });

  test("are refused at once for what is no CSR, not its maker's, or of a key that is not to be signed", async () => {
    const csr = await makeCsr();
    const broken = Buffer.from(csr.toString("latin1").replace("-----BEGIN", "----BEGIN"), "latin1");
    const der = Buffer.from(csr.toString("latin1").replaceAll(/-----[^-]+-----|\n/g, ""), "base64");
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const blocked = await makeCsr();
    await blockKey(db.database, parts, { spkiHash: keyOf(blocked), keyType: "ec-p256" }, "leaked");
    const before = await db.dump();
    await expectRefusal(ask(parts, asked(broken)), "CSR_MALFORMED");
    await expectRefusal(ask(parts, asked(der)), "CSR_SIGNATURE_INVALID");
    await expectRefusal(ask(parts, asked(blocked)), "KEY_BLOCKED");
    await expectRefusal(ask(parts, asked(csr, { profile: "No Name" })), "PROFILE_UNKNOWN");
    expect(await db.dump()).toEqual(before);
  });

  test("that are not known are looked at so often; who waits is heard all the same", async () => {
    const [csr, next, last] = [await makeCsr(), await makeCsr(), await makeCsr()];
    const slow = { ...parts, allowance: new Allowance(parts.clock, { rate: 1, burst: 2 }) };
    for (const each of [csr, next]) expect((await ask(slow, asked(each))).pending?.status).toBe("pending");
    const before = await db.dump();
    const steps: string[] = [];
    await expectRefusal(ask({ ...slow, onStep: (step) => steps.push(step) }, asked(last)), "RATE_LIMITED");
    expect(steps).toEqual(["parse"]);
    expect(await db.dump()).toEqual(before);
    expect((await ask(slow, asked(csr))).pending?.status).toBe("pending");
    parts.clock.advance(SECOND);
    expect((await ask(slow, asked(last))).pending?.status).toBe("pending");
  });

  test("are heard while a stranger sends broken ones without end, also from one host after the other", async () => {
    const take = openRequests(parts, parts.limits, parts.logger);
    const der = Buffer.from(
      (await makeCsr()).toString("latin1").replaceAll(/-----[^-]+-----|\n/g, ""),
      "base64",
    );
    const codes: unknown[] = [];
    for (let count = 0; count < 70; count++) {
      der.writeUInt16BE(count, der.length - 2);
      const addressGroup = `2001:db8:9:${count.toString(16)}::/64`;
      await take?.(asked(Buffer.from(der), { addressGroup })).catch((error: unknown) => {
        codes.push((error as Refusal).code);
      });
    }
    expect(codes.filter((code) => code === "CSR_SIGNATURE_INVALID")).toHaveLength(10);
    expect(codes.filter((code) => code === "RATE_LIMITED")).toHaveLength(60);
    expect((await take?.(asked(await makeCsr())))?.pending?.status).toBe("pending");
  });

  test("are not approved for what would not be signed, or was not meant", async () => {
    const [csr, special] = [await makeCsr(), await makeCsr()];
    await ask(parts, asked(csr));
    await ask(parts, asked(special, { profile: "modern" }));
    const [account, suspended] = [await freshAccount(parts), await freshAccount(parts)];
    await setAccountStatus(db.database, parts, suspended.slug, "suspended");
    const foreign = await makeCsr();
    const owner = await freshAccount(parts);
    await enrolRecord(parts, { token: (await freshToken(parts, owner)).token, csr: foreign });
    await ask(parts, asked(foreign));
    const before = await db.dump();
    const nobody = { ...account, slug: parseSlug("nobody") };
    await expectRefusal(approve(parts, csr, nobody), "NOT_FOUND");
    await expectRefusal(approve(parts, csr, suspended), "ACCOUNT_SUSPENDED");
    await expectRefusal(approve(parts, csr, account, { scopes: [parseScope("admin")] }), "SCOPE_INVALID");
    await expectRefusal(approve(parts, csr, account, { profile: "nothing" }), "PROFILE_UNKNOWN");
    await expectRefusal(approve(parts, csr, account, { profile: "modern" }), "KEY_UNSUPPORTED");
    await expectRefusal(approve(parts, foreign, account), "KEY_IN_USE");
    await expectRefusal(
      approve(parts, special, account),
      "PROFILE_UNKNOWN",
      "The request asks for the profile 'modern': name one with --profile.",
    );
    expect(await db.dump()).toEqual(before);
    await approve(parts, special, account, { profile: "client" });
    expect(await statusOf(parts, special)).toMatchObject({ profile: "client" });
    await setAccountStatus(db.database, parts, account.slug, "suspended");
    await expectRefusal(ask(parts, asked(special)), "ACCOUNT_SUSPENDED");
  });
});
