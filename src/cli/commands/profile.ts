import type { Command } from "commander";
import type { Profile } from "../../domain/profile.ts";
import { formatDuration } from "../../domain/time.ts";
import { type CommonOptions, withCommon } from "../options.ts";
import { print, table } from "../output.ts";

export function profileCommands(program: Command): void {
  const profile = program.command("profile").description("what issued certificates may be");
  withCommon(profile.command("list")).description("list the home's profiles").action(runList);
  withCommon(profile.command("show").argument("<name>"))
    .description("show a profile, with its defaults filled in")
    .action(runShow);
  withCommon(profile.command("check").argument("[file...]", "instead of the home's"))
    .description("say everything that is wrong with the profiles")
    .action(runCheck);
}

async function runList(options: CommonOptions): Promise<void> {
  const profiles = await homeProfiles(options);
  const all = [...profiles.values()].map(shown);
  print(options, all, () =>
    table(
      ["PROFILE", "ISSUER", "LIFE", "AT MOST", "USAGE", "KEYS"],
      all.map(({ name, issuer, life, extendedKeyUsage, keyTypes }) => [
        ...[name, issuer, life.default, life.max, extendedKeyUsage.join(",")],
        keyTypes.join(","),
      ]),
    ),
  );
}

async function runShow(name: string, options: CommonOptions): Promise<void> {
  const { requireProfile } = await import("../../services/issue/apply-profile.ts");
  const value = shown(requireProfile(await homeProfiles(options), name));
  print(options, value, () => JSON.stringify(value, null, 2));
}

async function runCheck(files: readonly string[], options: CommonOptions): Promise<void> {
  const names = files.length > 0 ? await checkFiles(files) : await checkHome(options);
  print(options, { profiles: names }, () => `Valid: ${names.join(", ")}.`);
}

async function checkFiles(files: readonly string[]): Promise<string[]> {
  const { Refusal } = await import("../../domain/errors.ts");
  const { readProfile } = await import("../../home/profiles.ts");
  const read = files.map((file) => ({ file, ...readProfile(file) }));
  const faults = read.flatMap(({ file, faults: its }) => its.map((fault) => `${file}: ${fault}`));
  if (faults.length > 0)
    throw new Refusal("CONFIG_INVALID", `The profiles are not valid: ${faults.join("; ")}.`);
  return read.flatMap(({ profile }) => profile?.name ?? []);
}

/** As `serve` does at its start: the issuers that they name must be there too. */
async function checkHome(options: CommonOptions): Promise<string[]> {
  const { homePaths } = await import("../../home/paths.ts");
  const { loadProfiles } = await import("../../home/profiles.ts");
  const { withState } = await import("../state.ts");
  const profiles = await withState(options, async (database, config) =>
    loadProfiles(homePaths(config.home).profiles, await database.issuers.list()),
  );
  return [...profiles.keys()];
}

async function homeProfiles(options: CommonOptions): Promise<ReadonlyMap<string, Profile>> {
  const { homePaths } = await import("../../home/paths.ts");
  const { loadProfiles } = await import("../../home/profiles.ts");
  const { loadConfig } = await import("../state.ts");
  return loadProfiles(homePaths(loadConfig(options).home).profiles);
}

/** As in its file, with durations as they are written. */
function shown(profile: Profile) {
  const { life, renewal, ...rest } = profile;
  const { overlap, afterExpiry } = renewal;
  return {
    ...rest,
    life: { default: formatDuration(life.default), max: formatDuration(life.max) },
    renewal: {
      overlap: formatDuration(overlap),
      afterExpiry: afterExpiry === undefined ? undefined : formatDuration(afterExpiry),
    },
  };
}
