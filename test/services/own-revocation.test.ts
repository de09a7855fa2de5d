import { beforeAll, expect, test } from "vitest";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { revokeOwn } from "../../src/services/own-revocation.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  type TestIssuing,
  expectRefusal,
  freshAccount,
  freshSlug,
  makeCsr,
  makeIssuing,
  signRecord,
} from "../support/issuing.ts";

onEachDatabase("a credential's own revocation", (db) => {
  let parts: TestIssuing;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });
  const issued = async (): Promise<CertificateRecord> => {
    const { slug } = await freshAccount(parts);
    return signRecord(parts, "cli:tester", { account: slug, csr: await makeCsr(), profile: "client" });
  };
  const again = ({ fingerprint }: CertificateRecord) => db.database.certificates.byFingerprint(fingerprint);
  const end = (caller: CertificateRecord, id: string, reason = "superseded") =>
    revokeOwn(db.database, parts.clock, caller, id, reason);

  test.each([
    ["fingerprint", ({ fingerprint }: CertificateRecord) => fingerprint],
    [
      "fingerprint as OpenSSL prints it",
      ({ fingerprint }: CertificateRecord) => fingerprint.toUpperCase().replace(/..(?=.)/g, "$&:"),
    ],
    ["serial", ({ serial }: CertificateRecord) => serial],
    ["serial with 0x", ({ serial }: CertificateRecord) => `0x${serial}`],
  ])("by %s is on record as its own doing", async (_name, id) => {
    const own = await issued();
    const before = await db.database.changes.last();
    const actor = `credential:${own.fingerprint}`;
    await end(own, id(own));
    const ended = { status: "revoked", statusAt: START, reason: "superseded", statusBy: actor };
    expect(await again(own)).toEqual({ ...own, ...ended });
    expect(await db.database.changes.after(before, 5)).toMatchObject([
      { action: "certificate.revoke", actor, subject: own.fingerprint },
    ]);
    const keptAs = await db.dump();
    await expectRefusal(end(own, own.fingerprint), "ALREADY_REVOKED");
    expect(await db.dump()).toEqual(keptAs);
  });

  test("of any other, of nothing, or for a reason that is not its own to give, changes nothing", async () => {
    const [own, other] = [await issued(), await issued()];
    await suspend(db.database, parts, other);
    const before = await db.dump();
    const message = "A credential may revoke itself, and no other.";
    const ids = [other.fingerprint, other.serial, "1", "", "me", "f".repeat(40), "dec:9".padEnd(64, "9")];
    for (const id of ids) await expectRefusal(end(own, id), "NOT_OWN_CREDENTIAL", message);
    // Whose it is comes first: a reason tells nothing about others.
    await expectRefusal(end(own, other.fingerprint, "7"), "NOT_OWN_CREDENTIAL");
    for (const reason of ["7", "cACompromise", "aACompromise", "privilegeWithdrawn", "certificateHold", ""]) {
      await expectRefusal(end(own, own.fingerprint, reason), "REASON_UNKNOWN");
    }
    expect(await db.dump()).toEqual(before);
  });

  test("that an admin was faster with stays as the admin made it", async () => {
    const own = await issued();
    await revoke(db.database, parts, own, "privilegeWithdrawn");
    await expectRefusal(end(own, own.serial), "ALREADY_REVOKED");
    expect(await again(own)).toMatchObject({ reason: "privilegeWithdrawn", statusBy: "cli:tester" });
  });

  // The decision on the call is from memory, which may not know of it yet.
  test("of one that was suspended a moment ago is refused: that is an admin's to make final, or not", async () => {
    const [own, other] = [await issued(), await issued()];
    await suspend(db.database, parts, own);
    await setAccountStatus(db.database, parts, other.account ?? freshSlug(), "suspended");
    const before = await db.dump();
    await expectRefusal(end(own, own.serial), "CERT_SUSPENDED");
    await expectRefusal(end(other, other.fingerprint, "keyCompromise"), "ACCOUNT_SUSPENDED");
    expect(await db.dump()).toEqual(before);

    await resume(db.database, parts, own);
    await setAccountStatus(db.database, parts, other.account ?? freshSlug(), "active");
    await end(own, own.serial);
    await end(other, other.serial);
    expect([await again(own), await again(other)]).toMatchObject([
      { status: "revoked" },
      { status: "revoked" },
    ]);
  });
});
