import { join } from "node:path";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { Database } from "../../src/domain/ports.ts";
import { HOUR } from "../../src/domain/time.ts";
import { openState, systemClock, systemRandom } from "../../src/home/open.ts";
import { loadProfiles } from "../../src/home/profiles.ts";
import { type AccountRights, createAccount, noRights } from "../../src/services/accounts.ts";
import { requireProfile } from "../../src/services/issue/apply-profile.ts";
import { createToken } from "../../src/services/tokens.ts";

/** Tokens of one profile, to be had one after the other. */
export class TokenPool {
  readonly #tokens: string[];

  constructor(tokens: readonly string[]) {
    this.#tokens = [...tokens];
  }

  /** The one to be used now. */
  get current(): string {
    const token = this.#tokens[0];
    if (token === undefined) throw new Error("the pool is empty");
    return token;
  }

  /** The current one has enrolled something. */
  spend(): void {
    this.#tokens.shift();
  }
}

/** Makes an account in a home, and many tokens for it of each of these profiles, without a process for each. */
export async function makePools<Name extends string>(
  home: string,
  account: { readonly slug: string } & Partial<AccountRights>,
  profileNames: readonly Name[],
  count: number,
): Promise<Record<Name, TokenPool>> {
  const database = await openState(resolveConfig(home, {}, {}, readConfigFile(home)));
  const profiles = loadProfiles(join(home, "profiles"));
  const mutation = { clock: systemClock, actor: "test" };
  try {
    // In one transaction: each of its own would take longer than what they are made for.
    return await database.transaction(async (stores) => {
      const within: Database = { ...database, ...stores, transaction: (work) => work(stores) };
      const slug = parseSlug(account.slug);
      await createAccount(within, mutation, { ...noRights, ...account, slug });
      const pools: [Name, TokenPool][] = [];
      for (const name of profileNames) {
        const wanted = { account: slug, profile: requireProfile(profiles, name), ttl: HOUR };
        const tokens: string[] = [];
        while (tokens.length < count) {
          tokens.push((await createToken(within, mutation, systemRandom, wanted)).token);
        }
        pools.push([name, new TokenPool(tokens)]);
      }
      return Object.fromEntries(pools) as Record<Name, TokenPool>;
    });
  } finally {
    await database.close();
  }
}
