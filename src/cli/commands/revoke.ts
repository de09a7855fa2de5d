import type { Command } from "commander";
import type { Aim } from "../../services/change-many.ts";
import { type ReasonFlags, noteIn, revocationIn, withReason } from "../change-flags.ts";
import { print } from "../output.ts";
import { type SelectionFlags, selectionIn, withSelection } from "../selection.ts";

export function revokeCommand(program: Command): void {
  withReason(withSelection(program.command("revoke")))
    .description("end certificates for good, open connections included")
    .action(async (ids: string[], options: SelectionFlags & ReasonFlags, command: Command) =>
      change(ids, options, command, await revocationIn(options)),
    );
}

export function suspendCommand(program: Command): void {
  withSelection(program.command("suspend"))
    .description("deny certificates' calls until they are resumed")
    .action(async (ids: string[], options: SelectionFlags, command: Command) =>
      change(ids, options, command, { status: "suspended", note: await noteIn(options) }),
    );
}

export function resumeCommand(program: Command): void {
  withSelection(program.command("resume"))
    .description("let suspended certificates' calls through again")
    .action(async (ids: string[], options: SelectionFlags, command: Command) =>
      change(ids, options, command, { status: "active", note: await noteIn(options) }),
    );
}

async function change(
  ids: readonly string[],
  options: SelectionFlags,
  command: Command,
  aim: Aim,
): Promise<void> {
  const selection = await selectionIn(ids, options, command);
  if ("find" in selection) {
    const { changeSelectedGroup } = await import("../change-group.ts");
    return changeSelectedGroup(selection, options, aim);
  }
  if ("file" in selection || selection.ids.length > 1) {
    const { changeListed } = await import("../change-listed.ts");
    return changeListed(selection, options, aim);
  }
  return changeOne(ids[0] ?? "", options, aim);
}

async function changeOne(id: string, options: SelectionFlags, aim: Aim): Promise<void> {
  const services = await import("../../services/revocation.ts");
  const { namedCertificate } = await import("../named-certificate.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const { described, doneWords } = await import("../change-words.ts");
  const name = namedCertificate(id);
  const changeIt = async (database: Parameters<typeof services.revoke>[0]) => {
    if (aim.status === "revoked") return services.revoke(database, localMutation(), name, aim.reason, aim);
    const hold = aim.status === "suspended" ? services.suspend : services.resume;
    const { certificate, sequence } = await hold(database, localMutation(), name, aim);
    return { certificate, sequence, first: sequence, others: undefined };
  };
  const { certificate, others, applied } = await withState(options, async (database, config) => {
    const changed = await changeIt(database);
    return { ...changed, applied: await awaitServers(database, config, changed.sequence, changed.first) };
  });
  const { fingerprint, serial, account } = certificate;
  const withIts = others?.map((other) => other.fingerprint);
  print(options, { fingerprint, serial, account, ...described(aim), others: withIts, ...applied }, () => {
    const of = account === undefined ? "" : ` of account ${account}`;
    const reason = aim.status === "revoked" ? ` (${aim.reason})` : "";
    const count = others?.length ?? 0;
    const more = count === 0 ? "" : `, and ${String(count)} more for the same key`;
    return `${doneWords[aim.status]} ${fingerprint}${of}${reason}${more}. ${describeApplication(applied)}`;
  });
}
