import { Refusal } from "../../domain/errors.ts";
import type { CertificationRequest, Stores } from "../../domain/ports.ts";
import type { TokenRecord } from "../../domain/records.ts";
import { unmatched } from "../../domain/token.ts";
import { requireFreeKey } from "../keys.ts";
import { recordChange } from "../record-change.ts";
import type { IssuingParts } from "./parts.ts";
import { requireUsable } from "./standing.ts";

/** The use of a fleet's token that this CSR has taken before. */
export function useTaken(
  { database }: Pick<IssuingParts, "database">,
  token: TokenRecord,
  request: CertificationRequest,
): Promise<TokenRecord | undefined> {
  return database.tokens.byId(useId(token, request));
}

/**
 * Takes a use of a fleet's token for a CSR: a token that is bound to it, with which all goes on as with any other. It is
 * counted and made in one transaction, whoever else does so at the same instant; the same CSR takes one use.
 *
 * @param address where it is used from
 * @returns the id of the use.
 * @throws Refusal TOKEN_*, ACCOUNT_SUSPENDED, KEY_BLOCKED, KEY_IN_USE: no use is taken then.
 */
export function takeUse(
  { database, clock }: Pick<IssuingParts, "database" | "clock">,
  token: TokenRecord,
  request: CertificationRequest,
  address: string | undefined,
): Promise<string> {
  const id = useId(token, request);
  return database.transaction(async (stores) => {
    const now = clock.now();
    const parent = requireUsable(await stores.tokens.byId(token.id), now);
    if (await stores.tokens.byId(id)) return id;
    if (parent.usesTaken >= parent.uses) throw usedUp();
    await requireFit(stores, parent, request);
    await stores.tokens.insert({
      ...parent,
      ...{ id, parent: parent.id, uses: 1, usesTaken: 0, csrHash: request.hash },
      hash: unmatched(id),
      createdAt: now,
      usedAt: now,
      usedFrom: address,
    });
    await stores.tokens.takeUse(parent.id, now, address);
    const taken = parent.usesTaken + 1;
    await recordChange(stores, { clock, actor: `token:${parent.id}` }, "token.use", id, { taken, address });
    return id;
  });
}

/** Throws TOKEN_USED: there is no use left. */
export function usedUp(): Refusal {
  return new Refusal("TOKEN_USED", "This enrolment token was used as often as it may be. Ask for a new one.");
}

function useId({ id }: TokenRecord, { hash }: CertificationRequest): string {
  return `${id}.${hash.slice(0, 32)}`;
}

/** What the intent would refuse anyway, before a use is gone for it. */
async function requireFit(
  stores: Stores,
  { accountId }: TokenRecord,
  { spkiHash }: CertificationRequest,
): Promise<void> {
  const account = await stores.accounts.byId(accountId);
  if (account?.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
  await requireFreeKey(stores, accountId, spkiHash);
}
