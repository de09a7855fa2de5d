import { networkOf } from "../domain/network.ts";
import type { Logger } from "../domain/ports.ts";
import type { ApprovalLimits } from "../domain/request.ts";
import { SharedAllowance } from "../domain/shared-allowance.ts";
import { type Asked, type Outcome, ask } from "../services/issue/ask.ts";
import type { IssuingParts } from "../services/issue/parts.ts";

/** Strangers' CSRs whose signatures are verified: of one network, and of all. */
const LOOKED_AT = { each: { rate: 2, burst: 10 }, all: { rate: 20, burst: 60 } } as const;

/** Takes requests without a token; `undefined` where approval is not turned on. */
export function openRequests(
  issuing: IssuingParts,
  limits: ApprovalLimits | undefined,
  logger: Pick<Logger, "info">,
): ((asked: Asked) => Promise<Outcome>) | undefined {
  if (!limits) return undefined;
  const shared = new SharedAllowance(issuing.clock, LOOKED_AT);
  const allowance = { take: (addressGroup: string) => shared.take(networkOf(addressGroup)) };
  const parts = { ...issuing, limits, logger, allowance };
  return (asked) => ask(parts, asked);
}
