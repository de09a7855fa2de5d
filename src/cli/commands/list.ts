import { type Command, Option } from "commander";
import type { Fingerprint } from "../../domain/identifiers.ts";
import type { Stores } from "../../domain/ports.ts";
import type { CertificateRecord, CertificateStatus } from "../../domain/records.ts";
import { type KeyType, keyTypes } from "../../domain/key-policy.ts";
import { limitFields, shownLimits } from "../limit-flags.ts";
import { type CommonOptions, withCommon } from "../options.ts";
import { fields, print, table } from "../output.ts";

interface ListFlags extends CommonOptions {
  readonly account?: string;
  readonly expiring?: string;
  readonly unused?: string;
  readonly status?: CertificateStatus | "expired";
  readonly keyType?: KeyType;
  readonly issuer?: string;
  readonly line?: string;
}

export function listCommand(program: Command): void {
  withCommon(program.command("list"))
    .description("list the certificates on record")
    .option("--account <slug>", "of this account")
    .option("--expiring <duration>", "live ones that end within this time, such as 7d")
    .option(
      "--unused <duration>",
      "live ones, issued before, with no call let through for this time, such as 30d",
    )
    .addOption(new Option("--key-type <type>", "with a key of this type").choices(keyTypes))
    .option("--issuer <name>", "signed by this issuing CA")
    .option("--line <serial|fingerprint|file>", "what came of the same enrolment as this one, by renewal")
    .addOption(new Option("--status <status>").choices(["active", "suspended", "revoked", "expired"]))
    .action(runList);
}

export function showCommand(program: Command): void {
  withCommon(program.command("show").argument("<serial|fingerprint|file>"))
    .description("show a certificate on record")
    .action(runShow);
}

async function runList(options: ListFlags): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { parseDuration } = await import("../../domain/time.ts");
  const { shownUse } = await import("../use-words.ts");
  const { renewalsOf } = await import("../renewal-words.ts");
  const { requireAccount } = await import("../../services/accounts.ts");
  const { requireIssuerNamed } = await import("../../services/issuers.ts");
  const { withState } = await import("../state.ts");
  const now = Date.now();
  const { account, status, keyType, issuer } = options;
  const end = options.expiring === undefined ? undefined : now + parseDuration(options.expiring);
  const unusedSince = options.unused === undefined ? undefined : now - parseDuration(options.unused);
  const filter = {
    ...(account === undefined ? {} : { account: parseSlug(account) }),
    ...(status === undefined || status === "expired" ? {} : { status }),
    ...(end === undefined ? {} : { expiringBefore: end }),
    ...(keyType === undefined ? {} : { keyType }),
    ...(unusedSince === undefined ? {} : { unusedSince }),
  };
  const { found, renewals, uses } = await withState(options, async (database) => {
    if (filter.account !== undefined) await requireAccount(database, filter.account);
    const id = issuer === undefined ? undefined : (await requireIssuerNamed(database, parseSlug(issuer))).id;
    const line = options.line === undefined ? undefined : await lineNamed(database, options.line);
    const listed = await database.certificates.list({
      ...filter,
      ...(id === undefined ? {} : { issuer: id }),
    });
    const found = line ? listed.filter(({ fingerprint }) => line.has(fingerprint)) : listed;
    const renewals = await renewalsOf(
      database,
      found.map(({ fingerprint }) => fingerprint),
    );
    return { found, renewals, uses: await database.uses.list(filter.account) };
  });
  const byFingerprint = new Map(uses.map((use) => [use.fingerprint, use]));
  const wanted = await Promise.all(
    found.map(async (certificate) => ({
      ...(await shown(certificate, now)),
      ...shownUse(byFingerprint.get(certificate.fingerprint)),
      ...renewals(certificate.fingerprint),
    })),
  );
  const all = wanted.filter(
    (item) =>
      (status === undefined || item.status === status) &&
      ((end === undefined && unusedSince === undefined) ||
        item.status === "active" ||
        item.status === "suspended"),
  );
  if (end !== undefined) all.sort((a, b) => (a.notAfter < b.notAfter ? -1 : 1)); // what is due first
  print(options, all, () =>
    table(
      ["FINGERPRINT", "ACCOUNT", "PROFILE", "KEY", "STATUS", "EXPIRES", "LAST USED"],
      all.map((item) => [
        ...[item.fingerprint, item.account ?? "-", item.profile, item.keyType, item.status],
        ...[item.notAfter, item.lastUsedAt ?? "never"],
      ]),
    ),
  );
}

/** Throws as `show` does for what is not on record. */
async function lineNamed(stores: Stores, name: string): Promise<ReadonlySet<Fingerprint>> {
  const { findCertificate } = await import("../../services/find-certificate.ts");
  const { credentialsOfLine } = await import("../../services/renewal-line.ts");
  const { namedCertificate } = await import("../named-certificate.ts");
  return credentialsOfLine(stores, (await findCertificate(stores, namedCertificate(name))).fingerprint);
}

async function runShow(id: string, options: CommonOptions): Promise<void> {
  const { findCertificate } = await import("../../services/find-certificate.ts");
  const { toPem } = await import("../../x509/pem.ts");
  const { namedCertificate } = await import("../named-certificate.ts");
  const { withState } = await import("../state.ts");
  const name = namedCertificate(id);
  const { shownUse, useFields } = await import("../use-words.ts");
  const { renewalsOf, renewalFields } = await import("../renewal-words.ts");
  const { found, account, use, renewal } = await withState(options, async (database) => {
    const found = await findCertificate(database, name);
    const use = await database.uses.byFingerprint(found.fingerprint);
    const renewal = (await renewalsOf(database, [found.fingerprint]))(found.fingerprint);
    return { found, use, renewal, account: found.account && (await database.accounts.bySlug(found.account)) };
  });
  const isHeld = account?.status === "suspended";
  const value = {
    ...(await shown(found, Date.now())),
    ...{ accountStatus: account?.status, ...shownUse(use), ...renewal },
  };
  print(options, { ...value, certificate: toPem("CERTIFICATE", found.der) }, () =>
    fields({
      Fingerprint: value.fingerprint,
      Serial: value.serial,
      Issuer: value.issuer,
      Account:
        value.account === undefined
          ? "none: it is one of our own"
          : value.account + (isHeld ? ", suspended" : ""),
      Profile: value.profile,
      Key: value.keyType,
      Scopes:
        value.account &&
        (value.scopes === undefined ? "all of the account's" : value.scopes.join(", ") || "none"),
      Addresses: value.limits && (value.limits.allowIps.join(", ") || "any of the account's"),
      ...(value.limits && limitFields(value.limits)),
      "Not before": value.notBefore,
      "Not after": value.notAfter,
      Issued: value.issuedAt,
      Status: value.statusAt === undefined ? value.status : `${value.status} since ${value.statusAt}`,
      Reason: value.reason,
      "Invalid since": value.invalidSince,
      By: value.statusBy,
      Note: value.note,
      ...renewalFields(value),
      ...(value.account === undefined ? {} : useFields(value)),
      From: value.lastAddress,
      Client: value.lastAgent,
    }),
  );
}

/** With its status as a caller finds it: what has ended by itself is expired, unless it was revoked. */
async function shown(certificate: CertificateRecord, now: number) {
  const { formatTime } = await import("../../domain/time.ts");
  const { statusAt, notAfter, invalidityAt } = certificate;
  const isExpired = certificate.status !== "revoked" && notAfter <= now;
  return {
    fingerprint: certificate.fingerprint,
    serial: certificate.serial,
    issuer: certificate.issuerId,
    account: certificate.account,
    profile: certificate.profile,
    keyType: certificate.keyType,
    scopes: certificate.scopes,
    limits: certificate.limits && (await shownLimits(certificate.limits)),
    notBefore: formatTime(certificate.notBefore),
    notAfter: formatTime(notAfter),
    issuedAt: formatTime(certificate.issuedAt),
    status: isExpired ? ("expired" as const) : certificate.status,
    statusAt: statusAt === undefined ? undefined : formatTime(statusAt),
    reason: certificate.reason,
    invalidSince: invalidityAt === undefined ? undefined : formatTime(invalidityAt),
    statusBy: certificate.statusBy,
    note: certificate.note,
  };
}
