import type { Command } from "commander";
import { type CommonOptions, commaList, withCommon } from "../options.ts";
import { print, table } from "../output.ts";

interface CreateFlags extends CommonOptions {
  readonly profile: string;
  readonly scopes?: string[];
  readonly ttl?: string;
}

export function tokenCommands(program: Command): void {
  const token = program.command("token").description("what lets somebody enrol, once");
  withCommon(token.command("create").argument("<account>"))
    .description("make an enrolment token; prints it alone, and never again")
    .option("--profile <name>", "what the certificate may be", "client")
    .option("--scopes <a,b>", "narrow the account's scopes for this certificate", commaList)
    .option("--ttl <duration>", "how long it can be used (15m)")
    .action(runCreate);
  withCommon(token.command("list").argument("[account]")).description("list the tokens").action(runList);
  withCommon(token.command("revoke").argument("<id>", "from `token list`"))
    .description("make a token useless that was not used yet")
    .action(runRevoke);
}

async function runCreate(account: string, options: CreateFlags): Promise<void> {
  const { parseScope, parseSlug } = await import("../../domain/names.ts");
  const { formatTime, parseDuration } = await import("../../domain/time.ts");
  const { homePaths } = await import("../../home/paths.ts");
  const { systemRandom } = await import("../../home/open.ts");
  const { loadProfiles } = await import("../../home/profiles.ts");
  const { requireProfile } = await import("../../services/issue/apply-profile.ts");
  const { DEFAULT_TTL, createToken } = await import("../../services/tokens.ts");
  const { localMutation, withState } = await import("../state.ts");
  const slug = parseSlug(account);
  const scopes = options.scopes?.map(parseScope);
  const ttl = options.ttl === undefined ? DEFAULT_TTL : parseDuration(options.ttl);
  const made = await withState(options, (database, config) => {
    const profile = requireProfile(loadProfiles(homePaths(config.home).profiles), options.profile);
    return createToken(database, localMutation(), systemRandom, { account: slug, profile, scopes, ttl });
  });
  const { token, id, expiresAt } = made;
  const value = { token, id, account: slug, profile: options.profile, expiresAt: formatTime(expiresAt) };
  print(options, value, () => token);
}

async function runList(account: string | undefined, options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { formatTime } = await import("../../domain/time.ts");
  const { requireAccount } = await import("../../services/accounts.ts");
  const { tokenStatus } = await import("../../services/tokens.ts");
  const { withState } = await import("../state.ts");
  const slug = account === undefined ? undefined : parseSlug(account);
  const tokens = await withState(options, async (database) => {
    if (slug !== undefined) await requireAccount(database, slug);
    return database.tokens.list(slug);
  });
  const now = Date.now();
  const all = tokens.map((token) => ({
    id: token.id,
    account: token.account,
    profile: token.profile,
    scopes: token.scopes,
    status: tokenStatus(token, now),
    createdAt: formatTime(token.createdAt),
    expiresAt: formatTime(token.expiresAt),
    fingerprint: token.fingerprint,
  }));
  print(options, all, () =>
    table(
      ["TOKEN", "ACCOUNT", "PROFILE", "STATUS", "EXPIRES"],
      all.map(({ id, account: owner, profile, status, expiresAt }) => [
        id,
        owner,
        profile,
        status,
        expiresAt,
      ]),
    ),
  );
}

async function runRevoke(id: string, options: CommonOptions): Promise<void> {
  const { revokeToken } = await import("../../services/tokens.ts");
  const { localMutation, withState } = await import("../state.ts");
  await withState(options, (database) => revokeToken(database, localMutation(), id));
  print(options, { id, status: "revoked" }, () => `Token ${id} revoked.`);
}
