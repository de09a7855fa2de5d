import { z } from "zod";
import { Refusal } from "./domain/errors.ts";
import { type Limits, describeRule, limitFault, limitNames, limitRules } from "./domain/limits.ts";
import { isObject } from "./domain/option-faults.ts";
import { defaultApprovalLimits } from "./domain/request.ts";
import { DAY, MINUTE, parseDuration } from "./domain/time.ts";

// What stands in config.json, value by value.

/** What upstreams, routes and other CAs are called. */
export const slug = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "not 1 to 63 of a-z, 0-9 and '-'");

/** HOST:PORT; an IPv6 host in brackets; port 0 picks a free one. */
export const hostPort = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) {
    context.addIssue({ code: "custom", message: `'${text}' is not HOST:PORT` });
    return z.NEVER;
  }
  return { host, port };
});

const dnsLabel = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
export const dnsName = z.string().regex(new RegExp(`^${dnsLabel}(\\.${dnsLabel})*$`), "not a DNS name");

/** Short enough to be noticed, long enough to be fetched. */
export const crlLife = z.string().transform((text, context) => {
  const life = /^[1-9][0-9]{0,8}[smhd]$/.test(text) ? parseDuration(text) : Number.NaN;
  if (life >= 10 * MINUTE && life <= 30 * DAY) return life;
  context.addIssue({ code: "custom", message: `'${text}' is not a duration from 10m to 30d` });
  return z.NEVER;
});

/** A number, or what a variable says: digits; a duration for a time. */
const limit = (name: keyof Limits) =>
  z.union([z.number(), z.string()], `not ${describeRule(limitRules[name])}`).transform((said, context) => {
    const isTime = limitRules[name].kind === "time";
    const form = isTime ? /^[1-9][0-9]{0,8}[smhd]$/ : /^[0-9]{1,12}$/;
    const read = (text: string): number => (isTime ? parseDuration(text) : Number(text));
    const isFormed = typeof said === "number" ? !isTime : form.test(said);
    const value = isFormed ? (typeof said === "number" ? said : read(said)) : Number.NaN;
    const message = limitFault(name, value);
    if (message === undefined) return value;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
type LimitShape = { [Name in keyof Limits]: ReturnType<typeof limit> };
export const limitShape = Object.fromEntries(limitNames.map((name) => [name, limit(name)])) as LimitShape;

/** As JSON says it, or as a variable does. */
export const onOff = z.union(
  [z.boolean(), z.enum(["on", "off"]).transform((text) => text === "on")],
  "neither on nor off",
);
/** Whether requests without a token are taken, to be approved: with these limits, or the default ones. */
const most = (limit: number) => z.number().int().min(1).max(limit);
export const approval = z
  .union(
    [onOff, z.strictObject({ pendingPerAddress: most(1000), pending: most(100_000) }).partial()],
    "neither on nor off, nor { pendingPerAddress, pending }",
  )
  .transform((said) => {
    if (said === false) return undefined;
    return { ...defaultApprovalLimits, ...(said === true ? {} : withoutUndefined(said)) };
  });

/** A CA beside our own; what its files hold is looked at when they are read (`loadTrust`). */
const trusted = z.strictObject({
  name: slug,
  ca: z.string().min(1),
  crl: z
    .string()
    .min(1)
    .refine(
      (text) => !text.includes("://") || (/^https?:\/\//.test(text) && URL.canParse(text)),
      "neither a file nor an http:// or https:// URL",
    )
    .optional(),
});
export const trust = z.array(trusted);

/** Of each CA in `trust`, as it is written, what is well formed. */
export function soundTrust(given: unknown): SoundFields<(typeof trusted)["shape"]>[] {
  return itemsOf(given).map((one) => soundFields(trusted.shape, one));
}

/** What is wrong between CAs, whatever is wrong with one of them. */
export function trustFaults(given: unknown): Fault[] {
  const names = soundTrust(given).flatMap(({ name }) => name ?? []);
  return new Set(names).size === names.length ? [] : [{ path: ["trust"], message: "two have the same name" }];
}

/** Something that is wrong with what stands at a place. */
export interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * A fault as it is told.
 *
 * @param whole what has it, where no place within is named
 */
export function describeFault({ path, message }: Fault, whole = "config"): string {
  return `${path.join(".") || whole}: ${message}`;
}

/** Throws CONFIG_INVALID. */
export function refuseConfig(faults: readonly string[]): never {
  throw new Refusal("CONFIG_INVALID", `The configuration is not valid: ${faults.join("; ")}.`);
}

/** Fields that are well formed; one that is not is not there, as against one that is `undefined`. */
export type SoundFields<Shape extends z.ZodRawShape> = { [Name in keyof Shape]?: z.output<Shape[Name]> };

/** Reads each field by itself, so that what is wrong between them is told although another is wrong. */
export function soundFields<Shape extends z.ZodRawShape>(shape: Shape, given: unknown): SoundFields<Shape> {
  if (!isObject(given)) return {};
  const read = Object.entries(shape).map(([name, field]) => [name, z.safeParse(field, given[name])] as const);
  const sound = read.flatMap(([name, { success, data }]) => (success ? [[name, data]] : []));
  return Object.fromEntries(sound) as SoundFields<Shape>;
}

/** Nothing, where there is no list. */
export function itemsOf(given: unknown): readonly unknown[] {
  return Array.isArray(given) ? given : [];
}

export function withoutUndefined(layer: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
}
