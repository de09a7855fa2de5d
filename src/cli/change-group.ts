import { Refusal } from "../domain/errors.ts";
import { type Aim, changeGroup } from "../services/change-many.ts";
import { cameByRenewal, certificates, described, doneWords, moreForTheKey } from "./change-words.ts";
import type { CommonOptions } from "./options.ts";
import { print } from "./output.ts";
import type { Selection } from "./selection.ts";
import { awaitServers, describeApplication, localMutation, withState } from "./state.ts";

/**
 * Changes every live certificate of an account, a key or an issuing CA, and prints how many.
 *
 * @throws Refusal NOT_FOUND when nothing goes by that name, STATE_UNCHANGED when nothing of it can be changed.
 */
export async function changeSelectedGroup(
  { find, group }: Extract<Selection, { find: unknown }>,
  options: CommonOptions,
  aim: Aim,
): Promise<void> {
  const { changed, others, suspended, applied } = await withState(options, async (database, config) => {
    const done = await changeGroup(database, localMutation(), await find(database), aim);
    if (!done) throw new Refusal("STATE_UNCHANGED", "It has no live certificate that this would change.");
    return { ...done, applied: await awaitServers(database, config, done.last, done.first) };
  });
  const [kind = "", name = ""] = Object.entries(group)[0] ?? [];
  print(options, { ...group, ...described(aim), changed, others, suspended, ...applied }, () => {
    const reason = aim.status === "revoked" ? ` (${aim.reason})` : "";
    const what = `${doneWords[aim.status]} ${certificates(changed)} of ${kind} ${name}${reason}`;
    return `${what}${moreForTheKey(others)}${cameByRenewal(suspended)}. ${describeApplication(applied)}`;
  });
}
