import type { LeafTemplate } from "../../domain/ports.ts";
import type { Order } from "./apply-profile.ts";
import type { IssuingParts } from "./parts.ts";

/** Step: sign. What comes back has been seen by nobody yet. */
export function sign(parts: IssuingParts, { issuer }: Order, template: LeafTemplate): Promise<Uint8Array> {
  parts.onStep?.("sign");
  return parts.codec.signLeaf(issuer, template);
}
