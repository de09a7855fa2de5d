import { Allowance } from "../domain/allowance.ts";
import type { Logger } from "../domain/ports.ts";
import type { ApprovalLimits } from "../domain/request.ts";
import { type Asked, type Outcome, ask } from "../services/issue/ask.ts";
import type { IssuingParts } from "../services/issue/parts.ts";

/** Strangers' CSRs whose signatures are verified. */
const LOOKED_AT = { rate: 20, burst: 60 } as const;

/** Takes requests without a token; `undefined` where approval is not turned on. */
export function openRequests(
  issuing: IssuingParts,
  limits: ApprovalLimits | undefined,
  logger: Logger,
): ((asked: Asked) => Promise<Outcome>) | undefined {
  if (!limits) return undefined;
  const parts = { ...issuing, limits, logger, allowance: new Allowance(issuing.clock, LOOKED_AT) };
  return (asked) => ask(parts, asked);
}
