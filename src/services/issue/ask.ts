import { Refusal } from "../../domain/errors.ts";
import { type Slug, parseSlug } from "../../domain/names.ts";
import type { CertificationRequest, Logger, Stores } from "../../domain/ports.ts";
import {
  type ApprovalLimits,
  NETWORK_HOSTS,
  REQUEST_LIFE,
  type RequestRecord,
} from "../../domain/request.ts";
import type { Instant } from "../../domain/time.ts";
import type { Answer } from "./answer.ts";
import { issueOnce } from "./issue-once.ts";
import { parse } from "./parse.ts";
import type { IssuingParts } from "./parts.ts";
import { readRequest } from "./read-request.ts";
import { requireUsable } from "./standing.ts";

/** A stranger's request for a certificate. */
export interface Asked {
  /** PEM or DER. */
  readonly csr: Uint8Array;
  readonly profile?: string | undefined;
  /** Where from, as it is to be shown, and whom that counts for. */
  readonly address: string;
  readonly addressGroup: string;
}

export interface AskingParts extends IssuingParts {
  readonly limits: ApprovalLimits;
  /** How often a CSR that is not known is looked at: anybody may send one, and its signature takes a millisecond. */
  readonly allowance: { take(addressGroup: string): boolean };
  readonly logger: Pick<Logger, "info">;
}

/** What whoever asked is told: to come back with the same CSR, or the certificate. */
export type Outcome =
  | { readonly pending: RequestRecord; readonly now: Instant }
  | { readonly pending: undefined; readonly answer: Answer };

/**
 * Takes a CSR without a token. Only the holder of a key can have made it; it waits until an admin has approved that key.
 * The same CSR then gets its certificate, and the same one for as long as the request lives.
 *
 * @throws Refusal CSR_*, KEY_*, PROFILE_*, REQUEST_DENIED, REQUEST_LIMIT, RATE_LIMITED, ACCOUNT_SUSPENDED, UNAVAILABLE.
 */
export async function ask(parts: AskingParts, asked: Asked): Promise<Outcome> {
  const { hash } = parse(parts, asked.csr);
  const now = parts.clock.now();
  const known = living(await parts.database.requests.byCsrHash(hash), now);
  if (known?.status === "denied") throw new Refusal("REQUEST_DENIED");
  if (known?.status === "pending") return { pending: known, now }; // whose signature was verified when it was stored
  if (!known) {
    await requireRoom(parts, parts.database, asked, now); // a flood is to cost neither signatures nor transactions
    if (!parts.allowance.take(asked.addressGroup)) throw new Refusal("RATE_LIMITED");
  }
  const request = readRequest(parts, asked.csr);
  return known
    ? { pending: undefined, answer: await issueApproved(parts, known, request, asked.address) }
    : { pending: await store(parts, asked, request), now };
}

/** The admin's word was for this account and this CSR: it pays, once. */
async function issueApproved(
  parts: AskingParts,
  { id, tokenId = "" }: RequestRecord,
  request: CertificationRequest,
  address: string,
): Promise<Answer> {
  const token = requireUsable(await parts.database.tokens.byId(tokenId), parts.clock.now());
  const account = await parts.database.accounts.byId(token.accountId);
  if (account?.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
  return issueOnce(parts, { token, account, actor: `request:${id}`, address }, request);
}

/** What ends is deleted when another one comes: no more are kept than may wait, and have been decided on in a day. */
async function store(
  parts: AskingParts,
  asked: Asked,
  request: CertificationRequest,
): Promise<RequestRecord> {
  const { database, clock, logger } = parts;
  const profile = asked.profile === undefined ? undefined : profileName(asked.profile);
  const now = clock.now();
  const made = await database.transaction(async (stores) => {
    await stores.requests.deleteEnded(now);
    const other = await stores.requests.byCsrHash(request.hash);
    if (other) return other; // sent twice at once
    const [key] = await stores.keys.byHashes([request.spkiHash]);
    if (key?.blockedAt !== undefined) throw new Refusal("KEY_BLOCKED");
    await requireRoom(parts, stores, asked, now);
    const record: RequestRecord = {
      id: Buffer.from(parts.randomBytes(6)).toString("hex"),
      csrHash: request.hash,
      spkiHash: request.spkiHash,
      keyType: request.keyType,
      address: asked.address,
      addressGroup: asked.addressGroup,
      profile,
      createdAt: now,
      expiresAt: now + REQUEST_LIFE,
      status: "pending",
      decidedAt: undefined,
      decidedBy: undefined,
      note: undefined,
      account: undefined,
      tokenId: undefined,
    };
    await stores.requests.insert(record);
    return record;
  });
  const { id, spkiHash, address } = made;
  logger.info({ request: id, keyFingerprint: spkiHash, address }, "a request waits for an admin");
  return made;
}

/** Throws REQUEST_LIMIT. */
async function requireRoom(
  { limits }: AskingParts,
  stores: Pick<Stores, "requests">,
  { addressGroup }: Asked,
  now: Instant,
): Promise<void> {
  const { ofAddress, ofNetwork, inAll } = await stores.requests.pending(addressGroup, now);
  if (ofAddress >= limits.pendingPerAddress) {
    throw new Refusal("REQUEST_LIMIT", "Too many requests from this address wait for an admin already.");
  }
  // Or one line of IPv6, with 256 such addresses, would take the places of all.
  if (ofNetwork >= NETWORK_HOSTS * limits.pendingPerAddress) {
    throw new Refusal("REQUEST_LIMIT", "Too many requests from this network wait for an admin already.");
  }
  if (inAll >= limits.pending) throw new Refusal("REQUEST_LIMIT");
}

/** Whether there is such a profile is the admin's to see. */
function profileName(text: string): Slug {
  try {
    return parseSlug(text);
  } catch {
    throw new Refusal("PROFILE_UNKNOWN");
  }
}

function living(request: RequestRecord | undefined, now: Instant): RequestRecord | undefined {
  return request && request.expiresAt > now ? request : undefined;
}
