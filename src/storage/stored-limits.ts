import { parseCidr } from "../domain/address.ts";
import type { CallLimits, Rate } from "../domain/call-limits.ts";

interface Stored {
  readonly allowIps?: readonly string[];
  readonly denyIps?: readonly string[];
  readonly rate?: Rate;
  readonly maxConnections?: number;
}

/** As JSON; nothing where nothing is limited. */
export function limitsToText(limits: Partial<CallLimits> | undefined): string | null {
  if (!limits) return null;
  const { allowIps = [], denyIps = [], rate, maxConnections } = limits;
  const stored: Stored = {
    ...(allowIps.length > 0 && { allowIps }),
    ...(denyIps.length > 0 && { denyIps }),
    ...(rate && { rate }),
    ...(maxConnections !== undefined && { maxConnections }),
  };
  return Object.keys(stored).length > 0 ? JSON.stringify(stored) : null;
}

export function limitsFromText(text: string): CallLimits {
  const { allowIps = [], denyIps = [], rate, maxConnections } = JSON.parse(text) as Stored;
  return { allowIps: allowIps.map(parseCidr), denyIps: denyIps.map(parseCidr), rate, maxConnections };
}
