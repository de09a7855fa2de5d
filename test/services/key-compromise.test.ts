import { type KeyObject, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { spkiHashOf } from "../../src/domain/identifiers.ts";
import { type KeyPair, type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { MINUTE, SECOND } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { issueListenerCertificate } from "../../src/services/issue/listener-certificate.ts";
import { KeyCompromiseDesk } from "../../src/services/key-compromise.ts";
import { blockKey } from "../../src/services/keys.ts";
import { suspend } from "../../src/services/revocation.ts";
import { keyProofs } from "../../src/x509/key-proof.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  type TestIssuing,
  csrOf,
  expectRefusal,
  freshAccount,
  freshSlug,
  makeIssuer,
  makeIssuing,
  recordIssuer,
  signRecord,
  testLogger,
} from "../support/issuing.ts";

const spkiOf = ({ publicKey }: { readonly publicKey: KeyObject }) =>
  publicKey.export({ format: "der", type: "spki" });
const digestOf = (keyType: KeyType) => (/^(ec|rsa)-/.test(keyType) ? "sha256" : null);
const text = (nonce: string) => Buffer.from(`countersign key compromise\n${nonce}`);

/** A proof as whoever found a key makes it. */
function proofBy(
  pair: KeyPair,
  nonce: string,
  message = text(nonce),
  digest: string | null = digestOf(pair.keyType),
) {
  return {
    nonce,
    publicKey: pair.publicKey.export({ format: "pem", type: "spki" }),
    signature: sign(digest, message, pair.privateKey),
  };
}

onEachDatabase("a proof that a key has leaked", (db) => {
  let parts: TestIssuing;
  let desk: KeyCompromiseDesk;
  let logger: ReturnType<typeof testLogger>;
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
    logger = testLogger();
    desk = new KeyCompromiseDesk({ ...parts, logger, keys: keyProofs });
  });

  const issued = async (pair: KeyPair): Promise<CertificateRecord> => {
    const { slug } = await freshAccount(parts);
    return signRecord(parts, "cli:tester", { account: slug, csr: await csrOf(pair), profile: "client" });
  };
  const again = ({ fingerprint }: CertificateRecord) => db.database.certificates.byFingerprint(fingerprint);
  const nonce = () => desk.issueNonce().nonce;

  test.each(keyTypes)("by %s revokes what lives with the key, and blocks it", async (keyType) => {
    const pair = await makeKeyPair(keyType);
    const spkiHash = spkiHashOf(spkiOf(pair));
    const [one, other] = [await issued(pair), await issued(await makeKeyPair("ec-p256"))];
    const csr = await csrOf(pair);
    const wanted = { account: one.account ?? freshSlug(), csr, profile: "client" };
    const held = await signRecord(parts, "cli:tester", wanted);
    await suspend(db.database, parts, held);
    const before = await db.database.changes.last();

    const { revoked, ...rest } = await desk.prove(proofBy(pair, nonce()));
    expect(rest).toEqual({ spkiHash, suspended: [], first: before + 1, last: before + 3 });
    expect(revoked.map(({ fingerprint }) => fingerprint).sort()).toEqual(
      [one.fingerprint, held.fingerprint].sort(),
    );
    const ended = { status: "revoked", reason: "keyCompromise", statusBy: `key:${spkiHash}` };
    expect([await again(one), await again(held)]).toMatchObject([ended, ended]);
    expect(await again(other)).toEqual(other);
    const changes = await db.database.changes.after(before, 10);
    expect(changes.map(({ action, actor }) => [action, actor])).toEqual(
      ["key.block", "certificate.revoke", "certificate.revoke"].map((action) => [action, `key:${spkiHash}`]),
    );
    await expectRefusal(signRecord(parts, "cli:tester", wanted), "KEY_BLOCKED");
    expect(logger.lines).toEqual([
      {
        level: "warn",
        fields: { spkiHash, revoked: 2, suspended: 0 },
        message: "a key was blocked: it has leaked",
      },
    ]);
  });

  test("is taken as base64 of DER as well", async () => {
    const pair = await makeKeyPair("ed25519");
    await issued(pair);
    const publicKey = spkiOf(pair).toString("base64").replace(/.{20}/g, "$&\n");
    expect((await desk.prove({ ...proofBy(pair, nonce()), publicKey })).revoked).toHaveLength(1);
  });

  test("counts once: replayed it is refused, at the same time as well", async () => {
    const pair = await makeKeyPair("ec-p256");
    const one = await issued(pair);
    const proof = proofBy(pair, nonce());
    const outcomes = await Promise.allSettled([desk.prove(proof), desk.prove(proof), desk.prove(proof)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
    const before = await db.dump();
    await expectRefusal(desk.prove(proof), "NONCE_USED", "The nonce was used already. Ask for a new one.");
    expect(await db.dump()).toEqual(before);
    expect((await again(one))?.status).toBe("revoked");
    // With a new nonce there is nothing left to do.
    await expectRefusal(desk.prove(proofBy(pair, nonce())), "STATE_UNCHANGED");
    expect(await db.dump()).toEqual(before);
  });

  test("that is wrong in any way changes nothing, and leaves its nonce good", async () => {
    const [pair, other] = [await makeKeyPair("ec-p256"), await makeKeyPair("ec-p256")];
    const [rsa, edwards] = [await makeKeyPair("rsa-2048"), await makeKeyPair("ed25519")];
    for (const key of [pair, other, rsa, edwards]) await issued(key);
    const before = await db.dump();
    const given = nonce();
    const right = proofBy(pair, given);
    const wrong = {
      "of another key": { ...right, signature: proofBy(other, given).signature },
      "with another's public key": { ...right, publicKey: proofBy(other, given).publicKey },
      "over another nonce": proofBy(pair, given, text(nonce())),
      "over the nonce alone": proofBy(pair, given, Buffer.from(given)),
      "over another text": proofBy(pair, given, Buffer.from(`countersign something\n${given}`)),
      "with a line end after it": proofBy(pair, given, Buffer.from(`countersign key compromise\n${given}\n`)),
      "with another digest": proofBy(pair, given, text(given), "sha384"),
      "with SHA-1": proofBy(rsa, given, text(given), "sha1"),
      "of an Ed25519 key over a digest": proofBy(edwards, given, randomBytes(32)),
      "cut short": { ...right, signature: right.signature.subarray(0, -1) },
      "with more after it": { ...right, signature: Buffer.concat([right.signature, Buffer.of(0)]) },
      "of nothing": { ...right, signature: Buffer.alloc(0) },
      "of noise": { ...right, signature: randomBytes(70) },
    };
    for (const [name, proof] of Object.entries(wrong)) {
      const refused: unknown = await desk.prove(proof).catch((error: unknown) => error);
      expect(refused, name).toMatchObject({
        code: "PROOF_INVALID",
        message: "The signature does not verify with the public key over the nonce's message.",
      });
    }
    expect(await db.dump()).toEqual(before);
    expect((await desk.prove(right)).revoked).toHaveLength(1);
  });

  test("with a nonce that has expired, or that another server gave, is refused", async () => {
    const pair = await makeKeyPair("ec-p256");
    await issued(pair);
    const late = proofBy(pair, nonce());
    parts.clock.advance(5 * MINUTE);
    const before = await db.dump();
    await expectRefusal(desk.prove(late), "NONCE_EXPIRED");
    const other = new KeyCompromiseDesk({ ...parts, logger, keys: keyProofs });
    await expectRefusal(desk.prove(proofBy(pair, other.issueNonce().nonce)), "NONCE_UNKNOWN");
    expect(await db.dump()).toEqual(before);
  });

  test("of a key that nobody has a certificate for changes nothing: strangers fill no record", async () => {
    const stranger = await makeKeyPair("ed25519");
    const before = await db.dump();
    const message = "No certificate here was ever issued for this key.";
    await expectRefusal(desk.prove(proofBy(stranger, nonce())), "NOT_FOUND", message);
    // Who doesn't hold a key doesn't learn whether it is known.
    const claim = { ...proofBy(stranger, nonce()), signature: randomBytes(64) };
    await expectRefusal(desk.prove(claim), "PROOF_INVALID");
    expect(await db.dump()).toEqual(before);
  });

  test("of a CA's own key, or of a listener's, switches nothing off, and is logged loudly", async () => {
    const [authority, listening] = [await makeKeyPair("ec-p256"), await makeKeyPair("ec-p256")];
    await recordIssuer(
      db.database,
      await makeIssuer("Another CA", authority),
      "issuing",
      freshSlug("issuer"),
    );
    const { keyType } = listening;
    const key = { spki: spkiOf(listening), keyType };
    await issueListenerCertificate(parts, parts.issuer, ["127.0.0.1"], key);
    const before = await db.dump();
    for (const pair of [authority, listening]) {
      const message = "This is a key of the CA itself. Tell those who run it.";
      await expectRefusal(desk.prove(proofBy(pair, nonce())), "KEY_IN_USE", message);
    }
    expect(await db.dump()).toEqual(before);
    expect(logger.lines.map(({ level }) => level)).toEqual(["error", "error"]);
  });

  test("of a key that was blocked before it was seen finds nothing to do", async () => {
    const pair = await makeKeyPair("ec-p256");
    const key = { spkiHash: spkiHashOf(spkiOf(pair)), keyType: pair.keyType };
    await blockKey(db.database, parts, key, "seen in the wild");
    await expectRefusal(desk.prove(proofBy(pair, nonce())), "STATE_UNCHANGED", "The key is blocked already.");
  });

  test("while the database is gone is refused, and may be sent again", async () => {
    const pair = await makeKeyPair("ec-p256");
    await issued(pair);
    let isGone = true;
    const flaky = {
      ...db.database,
      transaction: ((work) =>
        isGone
          ? Promise.reject(new Error("gone"))
          : db.database.transaction(work)) as typeof db.database.transaction,
    };
    const here = new KeyCompromiseDesk({ ...parts, database: flaky, logger, keys: keyProofs });
    const proof = proofBy(pair, here.issueNonce().nonce);
    await expect(here.prove(proof)).rejects.toThrow("gone");
    isGone = false;
    expect((await here.prove(proof)).revoked).toHaveLength(1);
  });

  test("is looked at only so often, whoever sends it", async () => {
    const stranger = await makeKeyPair("ed25519");
    const flood = Array.from({ length: 50 }, () => desk.prove(proofBy(stranger, nonce())));
    const refusals = (await Promise.allSettled(flood)).map(
      (one) => one.status === "rejected" && (one.reason as { code: string }).code,
    );
    expect(refusals.filter((code) => code === "NOT_FOUND")).toHaveLength(30);
    expect(refusals.filter((code) => code === "RATE_LIMITED")).toHaveLength(20);
    parts.clock.advance(SECOND);
    await expectRefusal(desk.prove(proofBy(stranger, nonce())), "NOT_FOUND");
  });

  test.each([
    ["nothing", "", "BODY_MALFORMED"],
    ["no base64", "not a key!", "BODY_MALFORMED"],
    ["noise", randomBytes(91).toString("base64"), "BODY_MALFORMED"],
    [
      "a key cut short",
      spkiOf(generateKeyPairSync("ed25519")).subarray(0, -1).toString("base64"),
      "BODY_MALFORMED",
    ],
    [
      "a private key",
      generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }),
      "BODY_MALFORMED",
    ],
    ["a key of another type", spkiOf(generateKeyPairSync("x25519")).toString("base64"), "KEY_UNSUPPORTED"],
    [
      "a key on another curve",
      spkiOf(generateKeyPairSync("ec", { namedCurve: "secp256k1" })).toString("base64"),
      "KEY_UNSUPPORTED",
    ],
    [
      "a short RSA key",
      spkiOf(generateKeyPairSync("rsa", { modulusLength: 1024 })).toString("base64"),
      "KEY_WEAK",
    ],
  ] as const)("with %s for a public key is refused", async (_name, publicKey, code) => {
    await expectRefusal(desk.prove({ nonce: nonce(), publicKey, signature: randomBytes(64) }), code);
  });
});
