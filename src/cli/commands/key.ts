import type { Command } from "commander";
import { type CommonOptions, withCommon } from "../options.ts";
import { print, table } from "../output.ts";

interface BlockFlags extends CommonOptions {
  readonly because: string;
}

export function keyCommands(program: Command): void {
  const key = program.command("key").description("keys that are not to be signed");
  withCommon(
    key
      .command("block")
      .argument("<file>", "a certificate, a CSR, a public or a private key; - is standard input"),
  )
    .description("never sign this key again, and end its live certificates")
    .option("--because <text>", "why, for the record", "blocked by an admin")
    .action(runBlock);
  withCommon(key.command("list")).description("list the blocked keys").action(runList);
}

async function runBlock(path: string, options: BlockFlags): Promise<void> {
  const { parseNote } = await import("../../domain/revocation.ts");
  const { readInput } = await import("../../files/files.ts");
  const { blockKey } = await import("../../services/keys.ts");
  const { keyInFile } = await import("../../x509/key-file.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const because = parseNote(options.because);
  const key = keyInFile(readInput(path));
  const { revoked, suspended, applied } = await withState(options, async (database, config) => {
    const blocking = await blockKey(database, localMutation(), key, because);
    const { first, last, revoked, suspended } = blocking;
    return { revoked, suspended, applied: await awaitServers(database, config, last, first) };
  });
  const { cameByRenewal } = await import("../change-words.ts");
  const named = (list: typeof revoked) => list.map(({ fingerprint, account }) => ({ fingerprint, account }));
  const ended = named(revoked);
  print(options, { ...key, because, revoked: ended, suspended: named(suspended), ...applied }, () => {
    const count = `${String(ended.length)} certificate${ended.length === 1 ? "" : "s"} revoked`;
    return `Blocked ${key.spkiHash} (${key.keyType}); ${count}${cameByRenewal(suspended.length)}. ${describeApplication(applied)}`;
  });
}

async function runList(options: CommonOptions): Promise<void> {
  const { formatTime } = await import("../../domain/time.ts");
  const { withState } = await import("../state.ts");
  const blocked = await withState(options, (database) => database.keys.blocked());
  const all = blocked.map(({ spkiHash, keyType, blockedAt = 0, blockedBecause }) => {
    return { spkiHash, keyType, blockedAt: formatTime(blockedAt), because: blockedBecause };
  });
  print(options, all, () =>
    table(
      ["KEY (SHA-256 OF SPKI)", "TYPE", "BLOCKED", "BECAUSE"],
      all.map(({ spkiHash, keyType, blockedAt, because }) => [spkiHash, keyType, blockedAt, because ?? ""]),
    ),
  );
}
