import { type Command, InvalidArgumentError } from "commander";
import { type KeyType, keyTypes } from "../../domain/key-policy.ts";
import { type CommonOptions, OfferingOption, commaList, withCommon } from "../options.ts";
import { fields, print, table } from "../output.ts";

interface CreateFlags extends CommonOptions {
  readonly profile: string;
  readonly scopes?: string[];
  readonly ttl?: string;
  readonly from?: string[];
  readonly keyType?: KeyType[];
  readonly spki?: string;
  readonly uses?: string;
}

export function tokenCommands(program: Command): void {
  const token = program.command("token").description("what lets somebody enrol: once, or a fleet");
  withCommon(token.command("create").argument("<account>"))
    .description("make an enrolment token; prints it alone, and never again")
    .option("--profile <name>", "what the certificate may be", "client")
    .option("--scopes <a,b>", "narrow the account's scopes for this certificate", commaList)
    .option("--ttl <duration>", "how long it can be used (15m)")
    .option("--from <cidr,…>", "where it can be used from", commaList)
    .addOption(
      new OfferingOption("--key-type <type,…>", "the keys that it enrols", keyTypes).argParser(keyTypeList),
    )
    .option("--spki <sha256>", "the one key that it enrols, by its SPKI's SHA-256")
    .option("--uses <n>", "with how many CSRs it can be used, for a fleet (1)")
    .action(runCreate);
  withCommon(token.command("list").argument("[account]")).description("list the tokens").action(runList);
  withCommon(token.command("show").argument("<id>", "from `token list`"))
    .description("show a token, and what it enrolled")
    .action(runShow);
  withCommon(token.command("revoke").argument("<id>", "from `token list`"))
    .description("make a token useless that was not used yet, or a fleet's with what is left of it")
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
  const rules = await rulesIn(options);
  const uses = options.uses === undefined ? 1 : Number(/^[0-9]{1,6}$/.exec(options.uses)?.[0]);
  const made = await withState(options, (database, config) => {
    const profile = requireProfile(loadProfiles(homePaths(config.home).profiles), options.profile);
    const wanted = { account: slug, profile, scopes, ttl, rules, uses };
    return createToken(database, localMutation(), systemRandom, wanted);
  });
  const { token, id, expiresAt } = made;
  const value = { token, id, account: slug, profile: options.profile, expiresAt: formatTime(expiresAt) };
  print(options, value, () => token);
}

function keyTypeList(text: string): KeyType[] {
  return commaList(text).map((name) => {
    const type = keyTypes.find((known) => known === name);
    if (type === undefined) throw new InvalidArgumentError(`Key types are ${keyTypes.join(", ")}.`);
    return type;
  });
}

/** Throws CIDR_INVALID, ID_MALFORMED. */
async function rulesIn({ from, keyType, spki }: CreateFlags) {
  const { parseCidr } = await import("../../domain/address.ts");
  const { Refusal } = await import("../../domain/errors.ts");
  const { parseSpkiHash } = await import("../../domain/identifiers.ts");
  const spkiHash = spki === undefined ? undefined : parseSpkiHash(spki);
  if (spki !== undefined && spkiHash === undefined) {
    throw new Refusal("ID_MALFORMED", "Name the key by its SPKI's SHA-256: 64 hex digits.");
  }
  return { from: from?.map(parseCidr), keyTypes: keyType, spkiHash };
}

async function runList(account: string | undefined, options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { requireAccount } = await import("../../services/accounts.ts");
  const { enrolledWith, rulesInWords, shownToken, usesInWords } = await import("../token-words.ts");
  const { withState } = await import("../state.ts");
  const slug = account === undefined ? undefined : parseSlug(account);
  const { tokens, children } = await withState(options, async (database) => {
    if (slug !== undefined) await requireAccount(database, slug);
    const found = await database.tokens.list(slug);
    const fleets = options.json ? found.filter(({ uses }) => uses > 1).map(({ id }) => id) : [];
    return { tokens: found, children: await database.tokens.childrenOf(fleets) };
  });
  const now = Date.now();
  const all = tokens.map((token) => ({
    ...shownToken(token, now),
    fingerprints: enrolledWith(token, children),
  }));
  print(options, all, () =>
    table(
      ["TOKEN", "ACCOUNT", "PROFILE", "STATUS", "USES", "EXPIRES", "RULES"],
      all.map((one) => [
        ...[one.id, one.account, one.profile, one.status, usesInWords(one), one.expiresAt],
        rulesInWords(one),
      ]),
    ),
  );
}

async function runShow(id: string, options: CommonOptions): Promise<void> {
  const { Refusal } = await import("../../domain/errors.ts");
  const { enrolledWith, rulesInWords, shownToken, usesInWords } = await import("../token-words.ts");
  const { withState } = await import("../state.ts");
  const { token, children } = await withState(options, async (database) => {
    const found = await database.tokens.byId(id);
    if (!found || found.parent !== undefined) throw new Refusal("NOT_FOUND", `There is no token '${id}'.`);
    return { token: found, children: await database.tokens.childrenOf([id]) };
  });
  const shown = shownToken(token, Date.now());
  const fingerprints = enrolledWith(token, children);
  print(options, { ...shown, fingerprints }, () =>
    fields({
      Token: shown.id,
      Account: shown.account,
      Profile: shown.profile,
      Scopes: shown.scopes === undefined ? "all of the account's" : shown.scopes.join(", ") || "none",
      Rules: rulesInWords({ ...shown, spki: undefined }) || undefined,
      Key: shown.spki,
      Status: shown.status,
      Uses: usesInWords(shown),
      Created: shown.createdAt,
      Expires: shown.expiresAt,
      "Last used": shown.usedAt,
      From: shown.usedFrom,
      Enrolled: fingerprints,
    }),
  );
}

async function runRevoke(id: string, options: CommonOptions): Promise<void> {
  const { revokeToken } = await import("../../services/tokens.ts");
  const { localMutation, withState } = await import("../state.ts");
  await withState(options, (database) => revokeToken(database, localMutation(), id));
  print(options, { id, status: "revoked" }, () => `Token ${id} revoked.`);
}
