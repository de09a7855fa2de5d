import { setTimeout as sleep } from "node:timers/promises";
import { parseScope, parseSlug } from "../../src/domain/names.ts";
import { setAccountStatus, updateAccount } from "../../src/services/accounts.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { type Authority, LOOPBACK, nameOf } from "./authority.ts";
import type { Slot } from "./callers.ts";
import type { Rate } from "./model.ts";
import type { Timeline } from "./timeline.ts";

/** Something that happens to a slot's credential or its account; in the end it may call again. */
type Happening = (authority: Authority, slot: Slot) => Promise<void>;

/** Of a certificate that a client renews shortly before or after its end; milliseconds. */
const BRIEF = 4000;
/** For how long something stays forbidden. */
const WHILE = 150;

const RATE: Rate = { count: 100, interval: 1000, burst: 20 };

const happenings: Readonly<Record<string, Happening>> = {
  async revoke(authority, slot) {
    await end(authority, slot.current, "keyCompromise");
    await sleep(WHILE);
    slot.current = await authority.issue(slot.current.model.account);
  },

  /** The new one is used while the old one still is good, which is then retired. */
  async renew(authority, slot) {
    const former = slot.current;
    slot.current = await authority.issue(former.model.account, Math.random() < 0.5 ? BRIEF : undefined);
    await end(authority, former, "superseded");
  },

  async suspend(authority, { current }) {
    const { credential, model } = current;
    const { database, mutation } = authority;
    await forAWhile(authority, model.status, "suspended", async (status) => {
      const change = status === "active" ? resume : suspend;
      return (await change(database, mutation, nameOf(credential))).sequence;
    });
  },

  async "suspend the account"(authority, { current }) {
    const { slug, isSuspended } = current.model.account;
    const { database, mutation } = authority;
    await forAWhile(authority, isSuspended, true, (isHeld) =>
      setAccountStatus(database, mutation, parseSlug(slug), isHeld ? "suspended" : "active"),
    );
  },

  async "deny the address"(authority, { current }) {
    const { slug, isDenied } = current.model.account;
    await forAWhile(authority, isDenied, true, (isSo) =>
      update(authority, slug, { denyIps: isSo ? [LOOPBACK] : [] }),
    );
  },

  async "take the scope away"(authority, { current }) {
    const { slug, scopes } = current.model.account;
    await forAWhile<readonly string[]>(authority, scopes, [], (left) =>
      update(authority, slug, { scopes: left.map(parseScope) }),
    );
  },

  async "limit the rate"(authority, { current }) {
    const { slug, rate } = current.model.account;
    await forAWhile<Rate | undefined>(authority, rate, RATE, (next) =>
      update(authority, slug, { rate: next }),
    );
  },
};

/** One change after another, each of a kind and at a place that chance chooses. Returns how many of each kind. */
export async function makeThingsHappen(
  authority: Authority,
  slots: readonly Slot[],
  end: number,
): Promise<Record<string, number>> {
  const counted: Record<string, number> = {};
  const kinds = Object.entries(happenings);
  while (performance.now() < end) {
    const [kind, happen] = oneOf(kinds);
    await happen(authority, oneOf(slots));
    counted[kind] = (counted[kind] ?? 0) + 1;
  }
  return counted;
}

async function end(
  authority: Authority,
  { credential, model }: Slot["current"],
  reason: "keyCompromise" | "superseded",
): Promise<void> {
  const { database, mutation } = authority;
  await authority.change(model.status, "revoked", async () => {
    return (await revoke(database, mutation, nameOf(credential), reason)).sequence;
  });
}

/** Changes something, and a moment later changes it back. */
async function forAWhile<Value>(
  authority: Authority,
  timeline: Timeline<Value>,
  value: Value,
  make: (value: Value) => Promise<number>,
): Promise<void> {
  const before = timeline.latest;
  await authority.change(timeline, value, () => make(value));
  await sleep(WHILE);
  await authority.change(timeline, before, () => make(before));
}

async function update(
  { database, mutation }: Authority,
  slug: string,
  changes: Parameters<typeof updateAccount>[3],
): Promise<number> {
  return (await updateAccount(database, mutation, parseSlug(slug), changes)).sequence;
}

export function oneOf<Item>(items: readonly Item[]): Item {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new TypeError("there is nothing to choose from");
  return item;
}
