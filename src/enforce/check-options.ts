import { X509Certificate, createPrivateKey } from "node:crypto";
import { Server as TlsServer } from "node:tls";
import { Refusal } from "../domain/errors.ts";
import { limitChangeFaults } from "../domain/limits.ts";
import { parseScope } from "../domain/names.ts";
import { isObject, refuseFaults } from "../domain/option-faults.ts";
import { openPathFaults } from "./open-paths.ts";

// What a service gives the enforcer, looked at before anything is made of it: an option that nobody reads would leave open
// what it was to close, and types hold nobody to anything in JavaScript.

/** What is wrong with an option's value; nothing, if empty. */
type Check = (value: unknown, name: string) => readonly string[];

const onOff: Check = (value, name) =>
  typeof value === "boolean" ? [] : [`${name}: ${shown(value)} is neither true nor false`];

const checks = {
  http2: onOff,
  resumption: onOff,
  refuseInTls: onOff,
  open: (value) => openPathFaults(value),
  limits: (value) => limitChangeFaults(value),
  scopes: (value, name) => scopeFaults(value, name),
  paths: (value, name) =>
    listFaults(value, name, (path) =>
      typeof path === "string" && /^\/[^?#]*$/.test(path) ? undefined : "is not a path such as /chat",
    ),
  certificate: (value) => certificateFaults(value),
  handler: (value, name) => (typeof value === "function" ? [] : [`${name}: not a function`]),
  response: (value, name) => (isObject(value) ? [] : [`${name}: not a response`]),
} satisfies Record<string, Check>;

export type OptionName = keyof typeof checks;

/**
 * Refuses options that there are not, and values that they cannot have.
 *
 * @param where whose options they are, for the message: `createServer()`
 * @param known the options that it has
 * @param required what has to be given, by its name
 * @throws Refusal CONFIG_INVALID, naming every fault
 */
export function requireOptions(
  where: string,
  options: unknown,
  known: readonly OptionName[],
  required: Readonly<Partial<Record<OptionName, unknown>>> = {},
): void {
  const needed = Object.entries(required).flatMap(([name, value]) => checks[name as OptionName](value, name));
  refuseFaults(where, [...needed, ...optionFaults(options, known)]);
}

/**
 * @param scopes what a route asks for
 * @throws Refusal CONFIG_INVALID when there are none, or what is none among them
 */
export function requireScopes(where: string, scopes: readonly unknown[]): void {
  const faults = scopeFaults(scopes, "scopes");
  refuseFaults(
    where,
    scopes.length === 0 ? ["scopes: none is given, so nothing would be asked for"] : faults,
  );
}

/**
 * Why a server with TLS is not fit to be decided for: nobody would ever have a certificate there, or TLS would refuse without
 * saying why, open paths too.
 */
export function serverFault(server: unknown): string | undefined {
  if (!(server instanceof TlsServer)) return undefined;
  const { requestCert, rejectUnauthorized } = server as {
    requestCert?: unknown;
    rejectUnauthorized?: unknown;
  };
  const how = "make it with enforcer.tlsOptions(certificate)";
  if (requestCert !== true) return `server: it asks callers for no certificate; ${how}`;
  if (rejectUnauthorized === false) return undefined;
  return `server: TLS itself refuses callers there (rejectUnauthorized); ${how}`;
}

function optionFaults(options: unknown, known: readonly OptionName[]): string[] {
  if (options === undefined) return [];
  if (!isObject(options)) return [`options: ${shown(options)} is not an object`];
  return Object.entries(options).flatMap(([name, value]) => {
    const check = known.find((each) => each === name);
    if (!check) return [`${name}: no such option; there are ${known.join(", ") || "none"}`];
    return value === undefined ? [] : checks[check](value, name);
  });
}

function scopeFaults(value: unknown, name: string): string[] {
  return listFaults(value, name, (scope) => {
    try {
      if (typeof scope === "string" && parseScope(scope)) return undefined;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    return "is not a scope such as orders:read";
  });
}

function listFaults(value: unknown, name: string, faultOf: (item: unknown) => string | undefined): string[] {
  if (!Array.isArray(value)) return [`${name}: ${shown(value)} is not a list`];
  return value.flatMap((item: unknown) => {
    const fault = faultOf(item);
    return fault === undefined ? [] : [`${name}: ${shown(item)} ${fault}`];
  });
}

/** With one that cannot be used, a server would listen, and each handshake would fail. */
function certificateFaults(value: unknown): string[] {
  if (!isObject(value)) return ["certificate: it takes { cert, key }, the service's own, as PEM"];
  const { cert, key } = value;
  // What else comes with a certificate is its owner's; an option among it was meant for us, and would not be read.
  const misplaced = Object.keys(value).filter((name) => Object.hasOwn(checks, name));
  const faults = misplaced.map((name) => `certificate: '${name}' is not of it, but an option`);
  const leaf = readPem(cert, (pem) => new X509Certificate(pem));
  const secret = readPem(key, createPrivateKey);
  if (leaf === undefined)
    faults.push("cert: not a certificate as PEM, text or a Buffer (a file has to be read first)");
  if (secret === undefined)
    faults.push(
      "key: not a private key as PEM, text or a Buffer, without a password (a file has to be read first)",
    );
  if (leaf && secret && !leaf.checkPrivateKey(secret)) faults.push("key: not that of the certificate");
  return faults;
}

function readPem<Read>(value: unknown, read: (pem: string) => Read): Read | undefined {
  const pem = Buffer.isBuffer(value) ? value.toString("latin1") : value;
  if (typeof pem !== "string" || !pem.includes("-----BEGIN ")) return undefined;
  try {
    return read(pem);
  } catch {
    return undefined; // what OpenSSL says of it could quote a key
  }
}

/** Short, and never more than a name or a number. */
function shown(value: unknown): string {
  if (typeof value === "string") return `'${value.slice(0, 60)}'`;
  return Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
}
