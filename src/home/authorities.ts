import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { Refusal } from "../domain/errors.ts";
import { type IssuerId, SERIAL_RANDOM_OCTETS, serialFrom } from "../domain/identifiers.ts";
import type { KeyPair, KeyType } from "../domain/key-policy.ts";
import { parseSlug } from "../domain/names.ts";
import type { Clock, Database, Issuer } from "../domain/ports.ts";
import { DAY, HOUR, wholeSeconds } from "../domain/time.ts";
import { makeKeyPair } from "../keys/key-pair.ts";
import { memorySigner } from "../keys/memory-signer.ts";
import { signFirstCrl } from "../services/crl.ts";
import { type Mutation, recordChange } from "../services/record-change.ts";
import { type CaTemplate, makeCaCertificate, makeRootCertificate } from "../x509/ca-certificate.ts";
import { issuerRecord } from "../x509/ca-reader.ts";
import { codec, issuerFrom, issuerIdOf } from "../x509/codec.ts";
import { issuerUrls } from "../x509/leaf-writer.ts";
import { toPem } from "../x509/pem.ts";
import { decryptPrivateKey, encryptPrivateKey } from "../x509/private-key.ts";
import { recordIssuer } from "../services/issuers.ts";
import { publicUrlOf } from "./open.ts";
import { DEFAULT_ISSUER } from "./paths.ts";
import { clearStaging, stage, stagingArea } from "./staging.ts";

const ROOT_LIFE = 20 * 365 * DAY;
export const ISSUER_LIFE = 5 * 365 * DAY;
export const ROOT_CRL_LIFE = 365 * DAY;

export interface AuthorityOptions {
  readonly keyType: KeyType;
  /** The issuing key's password; made and stored in `secrets/password` when not given. */
  readonly password?: string | undefined;
  /** The root key's; made and stored in `secrets/root.password` when not given. */
  readonly rootPassword?: string | undefined;
}

/**
 * Makes root and issuing CA. Keys and certificates are staged as files first, then put on record with their first CRLs:
 * of several attempts at once, on one home or one database, one gets there, and what others staged is thrown away.
 *
 * @returns the issuing CA's id, by which its staged files are found.
 * @throws Refusal HOME_INITIALISED when another attempt was first.
 */
export async function makeAuthorities(
  database: Database,
  config: Config,
  mutation: Mutation,
  options: AuthorityOptions,
): Promise<IssuerId> {
  const { keyType } = options;
  const { clock } = mutation;
  const root = await makeKeyPair(keyType);
  const issuing = await makeKeyPair(keyType);
  const rootName = `${config.name} Root CA`;
  const rootDer = await makeRootCertificate(root, caTemplate(clock, rootName, 1, ROOT_LIFE));
  const crlUrl = hasUrl(config) ? issuerUrls(publicUrlOf(config), issuerIdOf(rootDer)).crl : undefined;
  const issuerDer = await makeCaCertificate(
    issuing,
    { ...caTemplate(clock, `${config.name} Issuing CA`, 0, ISSUER_LIFE), crlUrl },
    { certificate: rootDer, keys: root },
  );
  const [rootIssuer, issuer] = [asIssuer(rootDer, root), asIssuer(issuerDer, issuing)];

  const staging = stagingArea(config.home, issuer.id);
  const password = options.password ?? randomBytes(24).toString("base64url");
  const rootPassword = options.rootPassword ?? randomBytes(24).toString("base64url");
  stage(staging, {
    "root.crt": toPem("CERTIFICATE", rootDer),
    "issuer.crt": toPem("CERTIFICATE", issuerDer),
    "root.key": await encryptPrivateKey(root.privateKey, rootPassword),
    "issuer.key": await encryptPrivateKey(issuing.privateKey, password),
    ...(options.password === undefined ? { password: `${password}\n` } : {}),
    ...(options.rootPassword === undefined ? { "root.password": `${rootPassword}\n` } : {}),
    "options.json": JSON.stringify(settledOptions(config, options)),
  });
  try {
    await recordAuthorities(database, mutation, rootIssuer, issuer);
  } catch (error) {
    // Only when it is certain that they came to nothing: a commit whose answer was lost may have been made.
    if (error instanceof Refusal && error.code === "HOME_INITIALISED") clearStaging(staging);
    throw error;
  }
  return issuer.id;
}

/** What must be the same when an attempt that was cut short is taken up again. */
function settledOptions(config: Config, options: AuthorityOptions) {
  const { keyType, password, rootPassword } = options;
  const given = { password: password !== undefined, rootPassword: rootPassword !== undefined };
  return { name: config.name, keyType, given };
}

/** Throws HOME_INITIALISED when the attempt that left these files had other options, or other passwords. */
export function requireSameOptions(area: string, config: Config, options: AuthorityOptions): void {
  const stored = readFileSync(join(area, "options.json"), "utf8");
  const { password, rootPassword } = options;
  const opens = (name: string, secret: string | undefined): boolean => {
    try {
      return (
        secret === undefined ||
        decryptPrivateKey(readFileSync(join(area, name), "latin1"), secret).type === "private"
      );
    } catch {
      return false;
    }
  };
  const isSame =
    stored === JSON.stringify(settledOptions(config, options)) &&
    opens("issuer.key", password) &&
    opens("root.key", rootPassword);
  if (isSame) return;
  throw new Refusal(
    "HOME_INITIALISED",
    `An init of ${config.home} was cut short: run it with the same options and passwords, or choose another home.`,
  );
}

/** Certificates are valid from an hour before: clocks differ, and leaves are backdated too. */
export function caTemplate(clock: Clock, commonName: string, pathLength: number, life: number): CaTemplate {
  const now = wholeSeconds(clock.now());
  return {
    commonName,
    pathLength,
    serial: serialFrom(now, randomBytes(SERIAL_RANDOM_OCTETS)),
    notBefore: now - HOUR,
    notAfter: now + life,
  };
}

/** With port 0 the URL changes at each start: nothing to put into a certificate of five years. */
function hasUrl(config: Config): boolean {
  return config.publicUrl !== undefined || config.listen.public.port !== 0;
}

function asIssuer(der: Uint8Array, pair: KeyPair): Issuer {
  return issuerFrom(der, memorySigner(pair.privateKey));
}

async function recordAuthorities(
  database: Database,
  mutation: Mutation,
  root: Issuer,
  issuing: Issuer,
): Promise<void> {
  await database.transaction(async (stores) => {
    if ((await stores.issuers.list()).length > 0) {
      throw new Refusal("HOME_INITIALISED", "The database belongs to a home already. Nothing was changed.");
    }
    await recordIssuer(stores, mutation, issuerRecord(root.der, parseSlug("root"), "root"));
    await recordIssuer(stores, mutation, issuerRecord(issuing.der, parseSlug(DEFAULT_ISSUER), "issuing"));
    await recordChange(stores, mutation, "home.init", issuing.id, { root: root.id, host: hostname() });
    // In the same transaction: a home has both CRLs or none.
    await signFirstCrl(stores, mutation, codec, root, ROOT_CRL_LIFE);
    await signFirstCrl(stores, mutation, codec, issuing);
  });
}
