import type { Command } from "commander";
import type { Account } from "../../domain/records.ts";
import { type CommonOptions, commaList, withCommon } from "../options.ts";
import { fields, print, table } from "../output.ts";

interface CreateFlags extends CommonOptions {
  readonly scopes?: string[];
  readonly allowIp?: string[];
}

export function accountCommands(program: Command): void {
  const account = program.command("account").description("who may call");
  withCommon(account.command("create").argument("<slug>", "its name: a-z, 0-9 and -"))
    .description("make an account")
    .option("--scopes <a,b>", "what it may do, such as orders:read", commaList)
    .option("--allow-ip <cidr,…>", "addresses that it may call from (any)", commaList)
    .action(runCreate);
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
}

async function runCreate(slug: string, options: CreateFlags): Promise<void> {
  const { parseCidr } = await import("../../domain/address.ts");
  const { parseScope, parseSlug } = await import("../../domain/names.ts");
  const { createAccount } = await import("../../services/accounts.ts");
  const { localMutation, withState } = await import("../state.ts");
  const wanted = {
    slug: parseSlug(slug),
    scopes: [...new Set((options.scopes ?? []).map(parseScope))],
    allowIps: (options.allowIp ?? []).map(parseCidr),
  };
  const account = await withState(options, (database) => createAccount(database, localMutation(), wanted));
  print(options, await shown(account), () => `Account ${account.slug} made.`);
}

async function runList(options: CommonOptions): Promise<void> {
  const { withState } = await import("../state.ts");
  const accounts = await withState(options, (database) => database.accounts.list());
  const all = await Promise.all(accounts.map(shown));
  print(options, all, () =>
    table(
      ["ACCOUNT", "STATUS", "SCOPES", "ADDRESSES", "CREATED"],
      all.map(({ slug, status, scopes, allowIps, createdAt }) => [
        slug,
        status,
        scopes.join(",") || "-",
        allowIps.join(",") || "any",
        createdAt,
      ]),
    ),
  );
}

async function runShow(slug: string, options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { requireAccount } = await import("../../services/accounts.ts");
  const { withState } = await import("../state.ts");
  const name = parseSlug(slug);
  const { account, certificates } = await withState(options, async (database) => ({
    account: await requireAccount(database, name),
    certificates: await database.certificates.list({ account: name }),
  }));
  const now = Date.now();
  const count = {
    active: certificates.filter(({ status, notAfter }) => status === "active" && notAfter >= now).length,
    suspended: certificates.filter(({ status }) => status === "suspended").length,
    revoked: certificates.filter(({ status }) => status === "revoked").length,
    total: certificates.length,
  };
  const value = { ...(await shown(account)), certificates: count };
  print(options, value, () =>
    fields({
      Account: value.slug,
      Status: value.suspendedAt === undefined ? value.status : `${value.status} since ${value.suspendedAt}`,
      Scopes: value.scopes.join(", ") || "none",
      Addresses: value.allowIps.join(", ") || "any",
      Created: value.createdAt,
      Certificates: `${String(count.active)} active of ${String(count.total)}`,
    }),
  );
}

async function runSetStatus(slug: string, status: Account["status"], options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { setAccountStatus } = await import("../../services/accounts.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const name = parseSlug(slug);
  const applied = await withState(options, async (database) =>
    awaitServers(database, await setAccountStatus(database, localMutation(), name, status)),
  );
  const done = status === "active" ? "resumed" : "suspended";
  print(options, { account: name, status, ...applied }, () => {
    return `Account ${name} ${done}. ${describeApplication(applied)}`;
  });
}

async function shown(account: Account) {
  const { formatTime } = await import("../../domain/time.ts");
  const { slug, status, scopes, allowIps, createdAt, suspendedAt } = account;
  return {
    slug,
    status,
    scopes,
    allowIps,
    createdAt: formatTime(createdAt),
    suspendedAt: suspendedAt === undefined ? undefined : formatTime(suspendedAt),
  };
}
