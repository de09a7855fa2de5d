import { beforeEach, expect, test } from "vitest";
import { spkiHashOf } from "../../src/domain/identifiers.ts";
import { parseScope } from "../../src/domain/names.ts";
import { blockKey } from "../../src/services/keys.ts";
import { type Registrable, registerCredential } from "../../src/services/register-credential.ts";
import { revoke } from "../../src/services/revocation.ts";
import { readForeignCas } from "../../src/x509/foreign-ca.ts";
import { readForeignLeaf } from "../../src/x509/foreign-leaf.ts";
import { codec } from "../../src/x509/codec.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  type TestIssuer,
  clientTemplate,
  freshSpki,
  makeIssuer,
  testNow,
} from "../support/fixtures-issuer.ts";
import { never } from "../support/ocsp-scene.ts";
import {
  type TestIssuing,
  csrOf,
  expectRefusal,
  freshAccount,
  freshSlug,
  makeIssuing,
  signRecord,
} from "../support/issuing.ts";

onEachDatabase("registering another CA's certificate", (db) => {
  let parts: TestIssuing;
  let partner: TestIssuer;
  beforeEach(async () => {
    parts = await makeIssuing(db.database);
    partner = await makeIssuer("ec-p256");
  });

  async function leaf(spki?: Uint8Array, by = partner): Promise<Registrable> {
    const { cas } = readForeignCas(Buffer.from(by.issuer.der), testNow);
    const der = await codec.signLeaf(
      by.issuer,
      clientTemplate(spki ?? (await freshSpki()), { serial: never() }),
    );
    return readForeignLeaf(Buffer.from(der), cas, testNow);
  }

  async function register(
    credential: Registrable,
    account?: Awaited<ReturnType<typeof freshAccount>>["slug"],
  ) {
    const grant = { account: account ?? (await freshAccount(parts)).slug, scopes: undefined };
    return registerCredential(db.database, parts, credential, grant);
  }

  const onRecord = ({ fingerprint }: Registrable) => db.database.certificates.byFingerprint(fingerprint);

  test("puts it on record, as its account's", async () => {
    const { slug } = await freshAccount(parts);
    const credential = await leaf();
    await register(credential, slug);
    expect(await onRecord(credential)).toMatchObject({
      account: slug,
      status: "active",
      profile: "registered",
    });
    await expectRefusal(register(credential, slug), "CREDENTIAL_EXISTS");
  });

  test("is refused for an account that is not there, and for scopes that it has not", async () => {
    const credential = await leaf();
    await expectRefusal(register(credential, freshSlug()), "NOT_FOUND");
    const { slug: account } = await freshAccount(parts);
    const scopes = [parseScope("no:such")];
    const asked = registerCredential(db.database, parts, credential, { account, scopes });
    await expectRefusal(asked, "SCOPE_INVALID");
    expect(await onRecord(credential)).toBeUndefined();
  });

  test("is refused for a key that is blocked, also by a revocation", async () => {
    const spki = await freshSpki();
    await blockKey(
      db.database,
      parts,
      { spkiHash: spkiHashOf(spki), keyType: "ec-p256" },
      "found on the web",
    );
    const credential = await leaf(spki);
    await expectRefusal(register(credential), "KEY_BLOCKED");
    expect(await onRecord(credential)).toBeUndefined();

    const { slug } = await freshAccount(parts);
    const leaked = await freshSpki();
    const before = await leaf(leaked);
    await register(before, slug);
    await revoke(db.database, parts, before, "keyCompromise");
    await expectRefusal(register(await leaf(leaked, await makeIssuer("ec-p256")), slug), "KEY_BLOCKED");
  });

  test("is refused for a key of another account, of the CA itself, and of ours", async () => {
    const spki = await freshSpki();
    await register(await leaf(spki));
    await expectRefusal(register(await leaf(spki)), "KEY_IN_USE");
    await expectRefusal(register(await leaf(partner.issuer.signer.spki)), "KEY_IN_USE");
    await expectRefusal(register(await leaf(parts.issuer.signer.spki)), "KEY_IN_USE");
  });

  test("makes the other CA's key one that nobody can enrol with", async () => {
    const { slug: account } = await freshAccount(parts);
    const asked = { account, csr: await csrOf(partner.keys), profile: "client" };
    await register(await leaf());
    await expectRefusal(signRecord(parts, "cli:tester", asked), "KEY_IN_USE");
  });
});
