import { type Cidr, addressMatcher } from "../domain/address.ts";
import { Refusal } from "../domain/errors.ts";
import type { Fingerprint, SpkiHash } from "../domain/identifiers.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Database, Stores } from "../domain/ports.ts";
import { type Profile, requireKeyType } from "../domain/profile.ts";
import { REQUEST_LIFE, type RequestRecord } from "../domain/request.ts";
import { formatTime } from "../domain/time.ts";
import { approvalNames } from "../domain/records.ts";
import { unmatched } from "../domain/token.ts";
import { noRules } from "../domain/token-rules.ts";
import { requireAccount, requireScopesOf } from "./accounts.ts";
import { requireFreeKey } from "./keys.ts";
import { type Mutation, recordChange } from "./record-change.ts";

/** The profile of a request that asks for none. */
export const DEFAULT_PROFILE = "client";

/** A request, and what came of it. */
export interface FollowedRequest extends RequestRecord {
  /** Of the certificate that was fetched. */
  readonly fingerprint: Fingerprint | undefined;
}

/** Requests that have not ended, the oldest first; an approved one with the profile that it was approved for. */
export async function liveRequests(
  { requests, tokens }: Stores,
  { clock }: Pick<Mutation, "clock">,
): Promise<FollowedRequest[]> {
  const now = clock.now();
  const live = (await requests.list()).filter(({ expiresAt }) => expiresAt > now);
  const found = await tokens.byIds(live.flatMap(({ tokenId }) => tokenId ?? []));
  const byId = new Map(found.map((token) => [token.id, token]));
  return live.map((request) => {
    const token = byId.get(request.tokenId ?? "");
    return { ...request, profile: token?.profile ?? request.profile, fingerprint: token?.fingerprint };
  });
}

/**
 * Approves what waits with this key: its client gets a certificate for this account, once for each CSR, within a day.
 *
 * @param wanted.profile its name and what it is; asked for by name, for a client's own wish is not to decide
 * @returns what was approved.
 * @throws Refusal NOT_FOUND, REQUEST_ENDED, REQUEST_DECIDED, ACCOUNT_SUSPENDED, SCOPE_INVALID, KEY_UNSUPPORTED, KEY_IN_USE,
 * KEY_BLOCKED, PROFILE_UNKNOWN.
 */
export function approveRequest(
  database: Database,
  mutation: Mutation,
  spkiHash: SpkiHash,
  wanted: {
    readonly account: Slug;
    readonly scopes?: readonly Scope[] | undefined;
    /** `undefined` for the default one, which serves a request that asks for no other. */
    readonly profile: Slug | undefined;
    readonly profiles: ReadonlyMap<string, Profile>;
  },
): Promise<readonly RequestRecord[]> {
  return database.transaction(async (stores) => {
    const now = mutation.clock.now();
    const live = await liveWith(stores, spkiHash, now);
    const pending = live.filter(({ status }) => status === "pending");
    if (pending.length === 0) throw decidedBefore(live);
    const account = await requireAccount(stores, wanted.account);
    if (account.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
    const { scopes } = wanted;
    requireScopesOf(account, scopes);
    await requireFreeKey(stores, account.id, spkiHash);
    const expiresAt = now + REQUEST_LIFE;
    const approved: RequestRecord[] = [];
    for (const request of pending) {
      const profile = profileFor(request, wanted);
      const { id: tokenId, parent } = approvalNames(request.id);
      await stores.tokens.insert({
        ...{ id: tokenId, hash: unmatched(tokenId), parent },
        ...{ accountId: account.id, profile, scopes, rules: noRules, uses: 1, usesTaken: 0 },
        ...{ createdAt: now, expiresAt, revokedAt: undefined, usedAt: now, usedFrom: request.address },
        ...{ csrHash: request.csrHash, fingerprint: undefined },
      });
      const decided = {
        ...{ status: "approved" as const, expiresAt, tokenId, account: account.slug, note: undefined },
        ...{ decidedAt: now, decidedBy: mutation.actor },
      };
      await stores.requests.decide(request.id, decided);
      const { id, address, createdAt, csrHash } = request;
      const detail = { request: id, account: account.slug, profile, scopes, address, createdAt, csrHash };
      await recordChange(stores, mutation, "request.approve", spkiHash, detail);
      approved.push({ ...request, ...decided, profile });
    }
    return approved;
  });
}

/**
 * Denies what waits with this key, or was approved and has not been fetched.
 *
 * @returns what was denied, and the certificates with this key that were fetched before.
 * @throws Refusal NOT_FOUND, REQUEST_ENDED; REQUEST_DECIDED when there is nothing to deny.
 */
export function denyRequest(
  database: Database,
  mutation: Mutation,
  spkiHash: SpkiHash,
  note: string | undefined,
): Promise<{ readonly denied: readonly RequestRecord[]; readonly fetched: readonly Fingerprint[] }> {
  return database.transaction(async (stores) => {
    const now = mutation.clock.now();
    const denied: RequestRecord[] = [];
    const fetched: Fingerprint[] = [];
    for (const request of await liveWith(stores, spkiHash, now)) {
      if (request.status === "denied") continue;
      const token = request.tokenId === undefined ? undefined : await stores.tokens.byId(request.tokenId);
      if (token?.fingerprint !== undefined) {
        fetched.push(token.fingerprint);
        continue;
      }
      if (token) await stores.tokens.revoke(token.id, now);
      denied.push(await denyOne(stores, mutation, request, note));
    }
    if (denied.length === 0) throw new Refusal("REQUEST_DECIDED", stillOut(fetched));
    return { denied, fetched };
  });
}

/** That denying comes too late for these certificates, and what does not; `undefined` for none. */
export function stillOut(fetched: readonly Fingerprint[]): string | undefined {
  if (fetched.length === 0) return undefined;
  const commands = fetched.map((fingerprint) => `countersign revoke ${fingerprint}`);
  return `Its client has fetched a certificate before. To end that: ${commands.join("; ")}`;
}

/**
 * Denies all that wait from a range of addresses, such as a flood; what was approved stays.
 *
 * @returns what was denied.
 * @throws Refusal NOT_FOUND when none does.
 */
export function denyRequestsFrom(
  database: Database,
  mutation: Mutation,
  range: Cidr,
  note: string | undefined,
): Promise<readonly RequestRecord[]> {
  const isWithin = addressMatcher([range]);
  return database.transaction(async (stores) => {
    const waiting = (await liveRequests(stores, mutation)).filter(
      ({ status, address }) => status === "pending" && isWithin(address.split("%")[0] ?? ""),
    );
    if (waiting.length === 0) throw new Refusal("NOT_FOUND", `No request from ${range} waits.`);
    const denied: RequestRecord[] = [];
    for (const request of waiting) denied.push(await denyOne(stores, mutation, request, note));
    return denied;
  });
}

async function denyOne(
  stores: Stores,
  mutation: Mutation,
  request: RequestRecord,
  note: string | undefined,
): Promise<RequestRecord> {
  const now = mutation.clock.now();
  const decided = { status: "denied" as const, decidedAt: now, decidedBy: mutation.actor, note };
  await stores.requests.decide(request.id, { ...request, ...decided });
  const { id, address, createdAt, spkiHash } = request;
  const detail = { request: id, was: request.status, address, createdAt, note };
  await recordChange(stores, mutation, "request.deny", spkiHash, detail);
  return { ...request, ...decided };
}

/** Throws NOT_FOUND, REQUEST_ENDED. */
async function liveWith(stores: Stores, spkiHash: SpkiHash, now: number): Promise<RequestRecord[]> {
  const all = await stores.requests.byKey(spkiHash);
  if (all.length === 0) {
    throw new Refusal(
      "NOT_FOUND",
      "There is no request with this key: compare the fingerprint with `request list`.",
    );
  }
  const live = all.filter(({ expiresAt }) => expiresAt > now);
  if (live.length === 0) throw new Refusal("REQUEST_ENDED");
  return live;
}

function decidedBefore(live: readonly RequestRecord[]): Refusal {
  const denied = live.find(({ status }) => status === "denied");
  if (!denied) return new Refusal("REQUEST_DECIDED");
  return new Refusal(
    "REQUEST_DECIDED",
    `The request was denied, and stays so until ${formatTime(denied.expiresAt)}. Its client needs another key, or a token.`,
  );
}

/** Throws PROFILE_UNKNOWN, KEY_UNSUPPORTED. */
function profileFor(
  { profile: asked, keyType }: RequestRecord,
  wanted: { readonly profile: Slug | undefined; readonly profiles: ReadonlyMap<string, Profile> },
): Slug {
  if (wanted.profile === undefined && asked !== undefined && asked !== DEFAULT_PROFILE) {
    throw new Refusal(
      "PROFILE_UNKNOWN",
      `The request asks for the profile '${asked}': name one with --profile.`,
    );
  }
  const profile = wanted.profiles.get(wanted.profile ?? DEFAULT_PROFILE);
  if (!profile) throw new Refusal("PROFILE_UNKNOWN");
  requireKeyType(profile, keyType);
  return profile.name;
}
