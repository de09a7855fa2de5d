import type { LeafTemplate } from "../../domain/ports.ts";
import type { Order } from "./apply-profile.ts";
import type { IssuingParts } from "./parts.ts";

/**
 * Step: compare. Reads again what was signed; what isn't as it was meant is our fault, and goes nowhere.
 *
 * @throws Error naming what differs.
 */
export function compare(
  parts: IssuingParts,
  { issuer }: Order,
  template: LeafTemplate,
  der: Uint8Array,
): void {
  parts.onStep?.("compare");
  const differences = parts.codec.compareLeaf(der, issuer, template);
  if (differences.length === 0) return;
  throw new Error(`a signed certificate is not what was meant: ${differences.join(", ")}`);
}
