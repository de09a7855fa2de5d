import type { IssuanceQuestion, IssuanceStanding, IssuanceWrites } from "../domain/issuance.ts";
import type { Stores } from "../domain/ports.ts";

/** Reads how things stand, by way of the stores, within a transaction. */
export async function readStanding(stores: Stores, question: IssuanceQuestion): Promise<IssuanceStanding> {
  return {
    tokens: await stores.tokens.byIds(question.tokens),
    accounts: await stores.accounts.byIds(question.accounts),
    keys: await stores.keys.byHashes(question.keys),
    issuers: (await stores.issuers.list()).filter(({ id }) => question.issuers.includes(id)),
    predecessors: await stores.certificates.credentials(question.predecessors),
    renewals: await stores.renewals.byPredecessors(question.predecessors),
  };
}

/** Writes what was decided, by way of the stores, within the same transaction. */
export async function write(stores: Stores, writes: IssuanceWrites): Promise<void> {
  await stores.tokens.use(writes.taken, writes.at);
  await stores.keys.bind(writes.firstSeen);
  await stores.certificates.intend(writes.intents);
  await stores.tokens.fulfil(writes.fulfilled);
  await stores.certificates.insert(writes.certificates);
  await stores.renewals.bind(writes.renewing);
  await stores.renewals.fulfil(writes.renewed);
  if (writes.changes.length > 0) await stores.changes.append(writes.changes);
}
