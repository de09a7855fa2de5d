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
  const { cameByRenewal, described, doneWords, goOn } = await import("../change-words.ts");
  const name = namedCertificate(id);
  const changeIt = async (database: Parameters<typeof services.revoke>[0]) => {
    if (aim.status === "revoked") return services.revoke(database, localMutation(), name, aim.reason, aim);
    const hold = aim.status === "suspended" ? services.suspend : services.resume;
    const done = await hold(database, localMutation(), name, aim);
    return { ...done, first: done.sequence, others: undefined, suspended: undefined };
  };
  const { certificate, others, suspended, successors, applied } = await withState(
    options,
    async (database, config) => {
      const changed = await changeIt(database);
      return { ...changed, applied: await awaitServers(database, config, changed.sequence, changed.first) };
    },
  );
  const { fingerprint, serial, account } = certificate;
  const named = (list?: typeof successors) => list?.map((other) => other.fingerprint);
  const along = {
    ...{ others: named(others), suspended: named(suspended) },
    activeSuccessors: aim.status === "active" ? undefined : named(successors),
  };
  print(options, { fingerprint, serial, account, ...described(aim), ...along, ...applied }, () => {
    const of = account === undefined ? "" : ` of account ${account}`;
    const reason = aim.status === "revoked" ? ` (${aim.reason})` : "";
    const count = others?.length ?? 0;
    const more = count === 0 ? "" : `, and ${String(count)} more for the same key`;
    const held = cameByRenewal(suspended?.length ?? 0);
    const what = `${doneWords[aim.status]} ${fingerprint}${of}${reason}${more}${held}`;
    return `${what}. ${goOn(along.activeSuccessors ?? [])}${describeApplication(applied)}`;
  });
}
