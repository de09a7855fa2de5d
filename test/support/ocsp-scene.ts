import { randomBytes } from "node:crypto";
import { beforeEach, onTestFinished } from "vitest";
import { type Serial, parseSerial } from "../../src/domain/identifiers.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";
import type { Database, Issuer } from "../../src/domain/ports.ts";
import type { Account, CertificateRecord } from "../../src/domain/records.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { OcspDelegates } from "../../src/services/ocsp/delegates.ts";
import { OcspResponder } from "../../src/services/ocsp/responder.ts";
import { putCertificate } from "../storage/records.ts";
import type { TestDatabase } from "./databases.ts";
import { type TestIssuing, freshAccount, makeIssuing, testLogger } from "./issuing.ts";
import { certId, readSigned, requestOf } from "./ocsp.ts";

interface ResponderOptions {
  readonly issuers?: readonly Issuer[];
  readonly database?: Database;
  readonly isCurrent?: () => boolean;
}

/** A responder without a server around it. To be made while a suite is read: each of its tests has one of its own. */
export class OcspScene {
  readonly #db: TestDatabase;
  parts = {} as TestIssuing;
  account = {} as Account;
  logger = testLogger();

  constructor(db: TestDatabase) {
    this.#db = db;
    beforeEach(async () => {
      this.parts = await makeIssuing(db.database);
      this.account = await freshAccount(this.parts);
      this.logger = testLogger();
    });
  }

  /** A responder that is told of no change but by `follow`. */
  async started(options: ResponderOptions = {}) {
    const { parts, logger } = this;
    const { database: records } = this.#db;
    const { issuers = [parts.issuer], database = records, isCurrent = () => true } = options;
    const signed: number[] = [];
    const delegates = new OcspDelegates({ issuing: parts, issuers: () => issuers, makeSigner, logger });
    onTestFinished(() => delegates.stop());
    await delegates.start();
    const codec: typeof parts.codec = {
      ...parts.codec,
      signOcspAnswers: (by, answers) => {
        signed.push(answers.singles.length);
        return parts.codec.signOcspAnswers(by, answers);
      },
    };
    const responder = new OcspResponder({ ...parts, codec, database, logger, delegates, isCurrent });
    let applied = await records.changes.last();
    const follow = async (): Promise<void> => {
      const changes = await records.changes.after(applied, 1000);
      applied = changes.at(-1)?.sequence ?? applied;
      responder.onChanges(changes);
      await delegates.onChanges(changes);
    };
    const ask = (...serials: readonly Serial[]) =>
      responder.answer(requestOf(serials.map((serial) => certId(parts.issuer, serial))));
    /** What it says of each. */
    const statuses = async (...serials: readonly Serial[]) =>
      readSigned((await ask(...serials)).der).singles.map(({ status }) => status);
    /** `signed` has an entry for each signature: how many certificates it was about. */
    return { delegates, responder, follow, ask, statuses, signed };
  }

  /** Puts a certificate on record. */
  issued(as: Partial<CertificateRecord> = {}): Promise<CertificateRecord> {
    return putCertificate(this.#db.database, this.parts.issuer.id, this.account, as);
  }

  /** Every responder's certificate of an issuing CA. */
  async delegatesOnRecord(issuer = this.parts.issuer): Promise<CertificateRecord[]> {
    const all = await this.#db.database.certificates.list({ issuer: issuer.id });
    return all.filter(({ profile }) => String(profile) === "ocsp-responder");
  }
}

/** A serial number that was never issued. */
export function never(): Serial {
  return parseSerial(`7${randomBytes(15).toString("hex")}`);
}

async function makeSigner(keyType: KeyType) {
  return memorySigner((await makeKeyPair(keyType)).privateKey);
}
