import fc from "fast-check";
import { parseSerial } from "../../../src/domain/identifiers.ts";
import { type RevocationReason, revocationReasons } from "../../../src/domain/revocation.ts";
import { HOUR, MINUTE, SECOND } from "../../../src/domain/time.ts";
import type { Aim } from "./model.ts";

export const ACCOUNTS = 2;
export const KEYS = 4;

/** A number of a certificate, counted round. */
type Which = number;

/** What may happen. Plain data: it is printed, made smaller and played again. */
export type Command =
  | { readonly do: "issue"; readonly account: number; readonly key: number; readonly life: number }
  | {
      readonly do: "change";
      readonly certificate: Which;
      readonly by: "serial" | "fingerprint";
      readonly aim: Aim;
    }
  | { readonly do: "change a stranger"; readonly aim: Aim }
  | { readonly do: "change account"; readonly account: number; readonly to: "active" | "suspended" }
  | { readonly do: "change all of an account"; readonly account: number; readonly aim: Aim }
  | { readonly do: "change all of a key"; readonly key: number; readonly aim: Aim }
  | { readonly do: "block key"; readonly key: number }
  | {
      readonly do: "carry out orders";
      readonly orders: readonly { readonly certificate: Which; readonly aim: Aim }[];
    }
  | { readonly do: "wait"; readonly for: number }
  | { readonly do: "wait until an end"; readonly certificate: Which; readonly and: -1 | 0 | 1 }
  | { readonly do: "publish" }
  | { readonly do: "publish by command" }
  | { readonly do: "revoke the responder"; readonly reason: RevocationReason }
  | { readonly do: "restart" };

export interface Sequence {
  /** Whether CRLs are made in a thread of their own. */
  readonly threaded: boolean;
  readonly commands: readonly Command[];
}

const constant = <const Value>(value: Value): fc.Arbitrary<Value> => fc.constant(value);
const which = fc.nat(23);
const account = fc.nat(ACCOUNTS - 1);
const key = fc.nat(KEYS - 1);
const reason = fc.constantFrom(...(Object.keys(revocationReasons) as RevocationReason[]));
const revoked = fc.record({ status: constant("revoked"), reason });
const held = fc.constantFrom<Aim>({ status: "suspended" }, { status: "active" });
const aim: fc.Arbitrary<Aim> = fc.oneof({ weight: 2, arbitrary: revoked }, { weight: 5, arbitrary: held });
const life = fc.constantFrom(HOUR, 61 * SECOND, 11 * HOUR, 12 * HOUR, 13 * HOUR, 26 * HOUR, 60 * HOUR);
const pause = fc.oneof(
  fc.integer({ min: 1, max: 2 * MINUTE }),
  fc.constantFrom(MINUTE, 30 * MINUTE, HOUR, 11 * HOUR, 12 * HOUR - 1, 12 * HOUR, 13 * HOUR, 25 * HOUR),
);

const weighted: readonly (readonly [number, fc.Arbitrary<Command>])[] = [
  [6, fc.record({ do: constant("issue"), account, key, life })],
  [
    9,
    fc.record({
      do: constant("change"),
      certificate: which,
      by: fc.constantFrom("serial", "fingerprint"),
      aim,
    }),
  ],
  [1, fc.record({ do: constant("change a stranger"), aim })],
  [4, fc.record({ do: constant("change account"), account, to: fc.constantFrom("suspended", "active") })],
  [1, fc.record({ do: constant("change all of an account"), account, aim })],
  [1, fc.record({ do: constant("change all of a key"), key, aim })],
  [1, fc.record({ do: constant("block key"), key })],
  [
    1,
    fc.record({
      do: constant("carry out orders"),
      orders: fc.array(fc.record({ certificate: which, aim }), { minLength: 1, maxLength: 4 }),
    }),
  ],
  [3, fc.record({ do: constant("wait"), for: pause })],
  [2, fc.record({ do: constant("wait until an end"), certificate: which, and: fc.constantFrom(0, -1, 1) })],
  [4, constant({ do: "publish" })],
  [1, constant({ do: "publish by command" })],
  [1, fc.record({ do: constant("revoke the responder"), reason })],
  [2, constant({ do: "restart" })],
];

/** Sequences of what may happen. */
export const sequences: fc.Arbitrary<Sequence> = fc.record({
  threaded: fc.oneof({ weight: 15, arbitrary: constant(false) }, { weight: 1, arbitrary: constant(true) }),
  commands: fc.array(fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary }))), {
    minLength: 1,
    maxLength: 40,
    size: "max",
  }),
});

const suspended = { status: "suspended" } as const;
const active = { status: "active" } as const;
const superseded = { status: "revoked", reason: "superseded" } as const;
const change = (certificate: Which, to: Aim): Command => ({
  do: "change",
  certificate,
  by: "serial",
  aim: to,
});

/** Has everything in it, whatever the dice say: what is held expires, and what is resumed leaves by a delta. */
export const example: Sequence = {
  threaded: true,
  commands: [
    { do: "issue", account: 0, key: 0, life: HOUR },
    { do: "issue", account: 0, key: 1, life: 60 * HOUR },
    { do: "issue", account: 1, key: 2, life: 60 * HOUR },
    { do: "issue", account: 1, key: 2, life: 13 * HOUR },
    change(0, suspended),
    change(1, suspended),
    { do: "publish" },
    { do: "change account", account: 1, to: "suspended" },
    { do: "publish by command" },
    change(1, active),
    { do: "restart" },
    { do: "wait until an end", certificate: 0, and: -1 },
    { do: "wait", for: 1 },
    { do: "revoke the responder", reason: "superseded" },
    { do: "wait", for: 12 * HOUR },
    { do: "change account", account: 1, to: "active" },
    { do: "wait", for: 12 * HOUR },
    { do: "change all of an account", account: 1, aim: superseded },
    { do: "change all of a key", key: 1, aim: suspended },
    { do: "carry out orders", orders: [{ certificate: 1, aim: active }] },
    { do: "change a stranger", aim: superseded },
    { do: "block key", key: 1 },
  ],
};

/** On no record. */
export const STRANGER = parseSerial("5a".repeat(16));
