import type { Command } from "commander";
import { type CommonOptions, withCommon } from "../options.ts";
import { print } from "../output.ts";

interface RevokeFlags extends CommonOptions {
  readonly reason: string;
}

const ID = "<serial|fingerprint|file>";

export function revokeCommand(program: Command): void {
  withCommon(program.command("revoke").argument(ID))
    .description("end a certificate for good, open connections included")
    .option("--reason <name>", "as RFC 5280 §5.3.1 names them, such as keyCompromise", "unspecified")
    .action(runRevoke);
}

export function suspendCommand(program: Command): void {
  withCommon(program.command("suspend").argument(ID))
    .description("deny a certificate's calls until it is resumed")
    .action((id: string, options: CommonOptions) => runHold(id, "suspend", options));
}

export function resumeCommand(program: Command): void {
  withCommon(program.command("resume").argument(ID))
    .description("let a suspended certificate's calls through again")
    .action((id: string, options: CommonOptions) => runHold(id, "resume", options));
}

async function runRevoke(id: string, options: RevokeFlags): Promise<void> {
  const { parseReason } = await import("../../domain/revocation.ts");
  const { revoke } = await import("../../services/revocation.ts");
  const { namedCertificate } = await import("../named-certificate.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const reason = parseReason(options.reason);
  const name = namedCertificate(id);
  const { certificate, others, applied } = await withState(options, async (database, config) => {
    const revocation = await revoke(database, localMutation(), name, reason);
    const { first, sequence } = revocation;
    return { ...revocation, applied: await awaitServers(database, config, sequence, first) };
  });
  const { fingerprint, serial, account } = certificate;
  const withIts = others.map((other) => other.fingerprint);
  print(
    options,
    { fingerprint, serial, account, status: "revoked", reason, others: withIts, ...applied },
    () => {
      const more = others.length === 0 ? "" : `, and ${String(others.length)} more for the same key`;
      return `Revoked ${fingerprint}${of(account)} (${reason})${more}. ${describeApplication(applied)}`;
    },
  );
}

async function runHold(id: string, what: "suspend" | "resume", options: CommonOptions): Promise<void> {
  const services = await import("../../services/revocation.ts");
  const { namedCertificate } = await import("../named-certificate.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const name = namedCertificate(id);
  const { certificate, applied } = await withState(options, async (database, config) => {
    const { certificate: found, sequence } = await services[what](database, localMutation(), name);
    return { certificate: found, applied: await awaitServers(database, config, sequence) };
  });
  const { fingerprint, serial, account } = certificate;
  const status = what === "suspend" ? "suspended" : "active";
  print(options, { fingerprint, serial, account, status, ...applied }, () => {
    const done = what === "suspend" ? "Suspended" : "Resumed";
    return `${done} ${fingerprint}${of(account)}. ${describeApplication(applied)}`;
  });
}

function of(account: string | undefined): string {
  return account === undefined ? "" : ` of account ${account}`;
}
