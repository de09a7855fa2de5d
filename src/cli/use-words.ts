import { formatTime } from "../domain/time.ts";
import type { CredentialUse, UseCounts } from "../domain/use.ts";

/** What was counted, as `list` and `show` give it. */
export function shownCounts(use: UseCounts | undefined) {
  const { lastAt, requests = 0, denials = 0 } = use ?? {};
  return { lastUsedAt: lastAt === undefined ? undefined : formatTime(lastAt), requests, denials };
}

export function shownUse(use: CredentialUse | undefined) {
  return { ...shownCounts(use), lastAddress: use?.address, lastAgent: use?.agent };
}

/** The same, as people read it. */
export function useFields(shown: ReturnType<typeof shownCounts>): Record<string, string> {
  return {
    "Last used": shown.lastUsedAt ?? "never",
    Requests: `${String(shown.requests)}, ${String(shown.denials)} denied`,
  };
}
