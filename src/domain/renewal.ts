import type { Fingerprint } from "./identifiers.ts";
import { BACKDATING, type Validity } from "./profile.ts";
import type { Instant } from "./time.ts";

/** When a certificate is due to be renewed: at two thirds of its life, give or take a twentieth of that. */
const DUE = 2 / 3;
const JITTER = 1 / 20;

/**
 * When a certificate is due to be renewed. Where in the jitter it falls, its fingerprint says: a fleet that enrolled at
 * once does not renew at once, and whoever computes it, and whenever, finds the same time.
 *
 * Life is counted from the moment of issue, which `notBefore` lies a minute ahead of.
 */
export function renewalDue(fingerprint: Fingerprint, { notBefore, notAfter }: Validity): Instant {
  const issued = Math.min(notBefore + BACKDATING, notAfter);
  const place = Number.parseInt(fingerprint.slice(0, 8), 16) / 0xffffffff; // 0 to 1
  return Math.round(issued + (notAfter - issued) * (DUE + JITTER * (2 * place - 1)));
}
