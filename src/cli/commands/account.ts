import type { Command } from "commander";
import type { Stores } from "../../domain/ports.ts";
import type { Account } from "../../domain/records.ts";
import type { AccountRights } from "../../services/accounts.ts";
import { type ReasonFlags, revocationIn, withReason } from "../change-flags.ts";
import { type LimitFlags, burstIn, limitFields, limitsIn, shownLimits, withLimits } from "../limit-flags.ts";
import { listIn } from "../list-flags.ts";
import { type CommonOptions, commaList, requireChanges, withCommon } from "../options.ts";
import { fields, print, table } from "../output.ts";

interface RightsFlags extends CommonOptions, LimitFlags {
  readonly scopes?: string[];
  readonly dns?: string[];
  readonly serverIp?: string[];
}

type RevokeAllFlags = CommonOptions & ReasonFlags;

export function accountCommands(program: Command): void {
  const account = program.command("account").description("who may call");
  withRights(account.command("create").argument("<slug>", "its name: a-z, 0-9 and -"))
    .description("make an account")
    .action(runCreate);
  withRights(account.command("update").argument("<slug>"))
    .description("change what is given here, and leave the rest; an empty list ('') takes all away")
    .action(runUpdate);
  withCommon(account.command("list")).description("list the accounts").action(runList);
  withCommon(account.command("show").argument("<slug>"))
    .description("show an account and how many certificates it has")
    .action(runShow);
  withCommon(account.command("suspend").argument("<slug>"))
    .description("deny its calls until it is resumed")
    .action((slug: string, options: CommonOptions) => runSetStatus(slug, "suspended", options));
  withCommon(account.command("resume").argument("<slug>"))
    .description("let its calls through again")
    .action((slug: string, options: CommonOptions) => runSetStatus(slug, "active", options));
  withReason(withCommon(account.command("revoke-all").argument("<slug>")))
    .option("--note <text>", "why, for the record")
    .description("end every live certificate of it for good, open connections included")
    .action(runRevokeAll);
}

function withRights(command: Command): Command {
  return withLimits(
    withCommon(command).option("--scopes <a,b>", "what it may do, such as orders:read", commaList),
  )
    .option("--dns <name,.suffix,…>", "DNS names that its servers' certificates may have", commaList)
    .option("--server-ip <cidr,…>", "addresses that its servers' certificates may have", commaList);
}

/** What is given, as it is stored. Throws SCOPE_INVALID, CIDR_INVALID, DNS_NAME_INVALID, RATE_INVALID, LIMIT_INVALID. */
async function rightsIn(options: RightsFlags): Promise<Partial<AccountRights>> {
  const { parseCidr } = await import("../../domain/address.ts");
  const { parseDnsRule } = await import("../../domain/host-names.ts");
  const { parseScope } = await import("../../domain/names.ts");
  return {
    ...(await limitsIn(options)),
    ...listIn("scopes", options.scopes, parseScope),
    ...listIn("dnsNames", options.dns, parseDnsRule),
    ...listIn("serverIps", options.serverIp, parseCidr),
  };
}

async function runUpdate(slug: string, options: RightsFlags, command: Command): Promise<void> {
  requireChanges(command);
  const { parseSlug } = await import("../../domain/names.ts");
  const { updateAccount } = await import("../../services/accounts.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const name = parseSlug(slug);
  const changes = await rightsIn(options);
  const burst = await burstIn(options);
  const { account, applied } = await withState(options, async (database, config) => {
    const updated = await updateAccount(database, localMutation(), name, changes, burst);
    return { account: updated.account, applied: await awaitServers(database, config, updated.sequence) };
  });
  print(options, { ...(await shown(account)), ...applied }, () => {
    return `Account ${name} changed. ${describeApplication(applied)}`;
  });
}

async function runCreate(slug: string, options: RightsFlags): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { createAccount, noRights } = await import("../../services/accounts.ts");
  const { localMutation, withState } = await import("../state.ts");
  const wanted = { slug: parseSlug(slug), ...noRights, ...(await rightsIn(options)) };
  const burst = await burstIn(options);
  const account = await withState(options, (database) =>
    createAccount(database, localMutation(), wanted, burst),
  );
  print(options, await shown(account), () => `Account ${account.slug} made.`);
}

async function runList(options: CommonOptions): Promise<void> {
  const { withState } = await import("../state.ts");
  const { shownCounts } = await import("../use-words.ts");
  const { accounts, uses } = await withState(options, async (database) => ({
    accounts: await database.accounts.list(),
    uses: new Map((await database.uses.byAccount()).map((use) => [use.account, use])),
  }));
  const all = await Promise.all(
    accounts.map(async (account) => ({ ...(await shown(account)), ...shownCounts(uses.get(account.slug)) })),
  );
  print(options, all, () =>
    table(
      ["ACCOUNT", "STATUS", "SCOPES", "ADDRESSES", "CREATED", "LAST USED", "REQUESTS", "DENIED"],
      all.map(({ slug, status, scopes, allowIps, createdAt, lastUsedAt, requests, denials }) => [
        slug,
        status,
        scopes.join(",") || "-",
        allowIps.join(",") || "any",
        createdAt,
        ...[lastUsedAt ?? "never", String(requests), String(denials)],
      ]),
    ),
  );
}

async function runShow(slug: string, options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { requireAccount } = await import("../../services/accounts.ts");
  const { withState } = await import("../state.ts");
  const name = parseSlug(slug);
  const { shownCounts, useFields } = await import("../use-words.ts");
  const { account, certificates, use } = await withState(options, async (database) => ({
    account: await requireAccount(database, name),
    certificates: await database.certificates.list({ account: name }),
    use: (await database.uses.byAccount(name))[0],
  }));
  const now = Date.now();
  const count = {
    active: certificates.filter(({ status, notAfter }) => status === "active" && notAfter > now).length,
    suspended: certificates.filter(({ status }) => status === "suspended").length,
    revoked: certificates.filter(({ status }) => status === "revoked").length,
    total: certificates.length,
  };
  const value = { ...(await shown(account)), certificates: count, ...shownCounts(use) };
  print(options, value, () =>
    fields({
      Account: value.slug,
      Status: value.suspendedAt === undefined ? value.status : `${value.status} since ${value.suspendedAt}`,
      Scopes: value.scopes.join(", ") || "none",
      Addresses: value.allowIps.join(", ") || "any",
      ...limitFields(value),
      "Servers' names": [...value.dnsNames, ...value.serverIps].join(", ") || undefined,
      Created: value.createdAt,
      Certificates: `${String(count.active)} active of ${String(count.total)}`,
      ...useFields(value),
    }),
  );
}

async function runSetStatus(slug: string, status: Account["status"], options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { setAccountStatus } = await import("../../services/accounts.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const name = parseSlug(slug);
  const applied = await withState(options, async (database, config) =>
    awaitServers(database, config, await setAccountStatus(database, localMutation(), name, status)),
  );
  const done = status === "active" ? "resumed" : "suspended";
  print(options, { account: name, status, ...applied }, () => {
    return `Account ${name} ${done}. ${describeApplication(applied)}`;
  });
}

async function runRevokeAll(slug: string, options: RevokeAllFlags): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { requireAccount } = await import("../../services/accounts.ts");
  const { changeSelectedGroup } = await import("../change-group.ts");
  const name = parseSlug(slug);
  const find = async (stores: Stores) => ({ account: (await requireAccount(stores, name)).slug });
  await changeSelectedGroup({ group: { account: name }, find }, options, await revocationIn(options));
}

async function shown(account: Account) {
  const { formatTime } = await import("../../domain/time.ts");
  const { slug, status, scopes, dnsNames, serverIps, createdAt, suspendedAt } = account;
  return {
    ...{ slug, status, scopes, ...(await shownLimits(account)), dnsNames, serverIps },
    createdAt: formatTime(createdAt),
    suspendedAt: suspendedAt === undefined ? undefined : formatTime(suspendedAt),
  };
}
