import { X509Certificate } from "node:crypto";
import { fingerprintOf, parseFingerprint, parseSerial } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { systemClock } from "../../src/home/open.ts";
import { awaitFollowers } from "../../src/services/await-followers.ts";
import { recordChange } from "../../src/services/record-change.ts";
import { issuerRecord } from "../../src/x509/ca-reader.ts";
import type { TestCredential } from "./client.ts";
import type { DoorScene } from "./door-scene.ts";

const mutation = { clock: systemClock, actor: "test" };

/** Puts any certificate (PEM or DER) on record in the place of one like `model`, as no command would, and has it followed. */
export async function putOnRecord(
  scene: DoorScene,
  model: TestCredential,
  certificate: string | Uint8Array,
): Promise<void> {
  const read = new X509Certificate(certificate);
  const last = await scene.database.transaction(async (stores) => {
    const like = await stores.certificates.byFingerprint(parseFingerprint(model.fingerprint));
    if (!like) throw new Error("the model is not on record");
    const fingerprint = fingerprintOf(read.raw);
    const serial = parseSerial(read.serialNumber);
    const validity = { notBefore: Date.parse(read.validFrom), notAfter: Date.parse(read.validTo) };
    const record = { ...like, ...validity, fingerprint, serial, der: read.raw };
    await stores.certificates.intend([{ ...record, createdAt: Date.now() }]);
    await stores.certificates.insert([record]);
    return recordChange(stores, mutation, "certificate.register", fingerprint, {});
  });
  await followed(scene, last);
}

/** Puts an issuing CA (DER) on record, as the command would not, and has it followed. */
export async function putIssuerOnRecord(scene: DoorScene, der: Buffer): Promise<void> {
  const record = issuerRecord(der, parseSlug("second"), "issuing");
  const last = await scene.database.transaction(async (stores) => {
    await stores.issuers.insert(record);
    return recordChange(stores, mutation, "issuer.install", record.id, {});
  });
  await followed(scene, last);
}

async function followed(scene: DoorScene, last: number): Promise<void> {
  const { late } = await awaitFollowers(scene.database, systemClock, { last }, () => true, 10_000);
  if (late > 0) throw new Error("the enforcer did not follow");
}
