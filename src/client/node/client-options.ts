import { X509Certificate } from "node:crypto";
import { keyTypes } from "../../domain/key-policy.ts";
import { isObject, refuseFaults } from "../../domain/option-faults.ts";
import { keyIn } from "./client-credentials.ts";
import { httpsUrl } from "../ca/https.ts";

// Options are looked at before anything is made of them: what nobody reads might have been what somebody relied on, and types
// hold nobody to anything in JavaScript.

/** What an option has to be, in words; nothing, when it is that. */
type Check = (value: unknown) => string | undefined;

const text: Check = (value) => (typeof value === "string" && value !== "" ? undefined : "not text");
const toCall: Check = (value) => (typeof value === "function" ? undefined : "not a function");
const anything: Check = () => undefined;

const allOf =
  (names: Readonly<Record<string, Check>>, required: readonly string[]): Check =>
  (value) =>
    faultsIn(value, names, required).join("; ") || undefined;

const pem: Check = (value) =>
  typeof value === "string" && value.includes("-----BEGIN ") ? undefined : "not PEM, as text";

const certificates: Check = (value) => {
  const fault = pem(value);
  if (fault !== undefined || typeof value !== "string") return fault;
  try {
    new X509Certificate(value);
    return undefined;
  } catch {
    return "not a certificate as PEM";
  }
};

const url: Check = (value) => {
  try {
    if (typeof value === "string") httpsUrl(value);
    return text(value);
  } catch {
    return "not an https:// URL";
  }
};

const files = allOf({ key: text, cert: text, ca: text }, ["key", "cert", "ca"]);

const checks = {
  caUrl: url,
  fingerprint: text,
  token: text,
  keyType: (value) =>
    keyTypes.some((type) => type === value) ? undefined : `none of ${keyTypes.join(", ")}`,
  files,
  passphrase: text,
  credentials: (value) =>
    isObject(value)
      ? allOf({ key: pem, cert: pem, ca: pem }, ["key", "cert", "ca"])({
          ...pick(value, ["cert", "ca"]),
          key: keyIn(value),
        })
      : "not what enroll() gives",
  renew: (value) => (typeof value === "boolean" ? undefined : "neither true nor false"),
  tls: allOf(
    {
      ca: (value) => (Array.isArray(value) ? value : [value]).map(certificates).find(Boolean),
      servername: text,
    },
    [],
  ),
  onRenewed: toCall,
  onError: toCall,
  clock: (value) => (isObject(value) ? toCall(value["now"]) : "not a clock"),
} satisfies Record<string, Check>;

export type OptionName = keyof typeof checks;

/**
 * Refuses options that there are not, values that they cannot have, and what is missing.
 *
 * @param where whose options they are, for the message: `enroll()`
 * @param passedOn options that Node or undici looks at
 * @throws Refusal CONFIG_INVALID, naming every fault
 */
export function requireOptions(
  where: string,
  options: unknown,
  known: readonly OptionName[],
  required: readonly OptionName[],
  passedOn: readonly string[] = [],
): void {
  const names = Object.fromEntries([
    ...known.map((name) => [name, checks[name]] as const),
    ...passedOn.map((name) => [name, anything] as const),
  ]);
  refuseFaults(where, faultsIn(options, names, required));
}

function faultsIn(
  value: unknown,
  names: Readonly<Record<string, Check>>,
  required: readonly string[],
): string[] {
  if (!isObject(value)) return [`it takes { ${Object.keys(names).join(", ")} }`];
  const given = Object.entries(value).filter(([, each]) => each !== undefined);
  const missing = required.filter((name) => !given.some(([each]) => each === name));
  const faults = given.flatMap(([name, each]) => {
    const check = Object.hasOwn(names, name) ? names[name] : undefined;
    if (!check) return [`${name}: no such option; there are ${Object.keys(names).join(", ")}`];
    const fault = check(each);
    return fault === undefined ? [] : [`${name}: ${fault}`];
  });
  return [...missing.map((name) => `${name}: missing`), ...faults];
}

function pick(value: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, value[name]]));
}
