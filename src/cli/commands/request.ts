import type { Command } from "commander";
import type { Fingerprint, SpkiHash } from "../../domain/identifiers.ts";
import type { RequestRecord } from "../../domain/request.ts";
import { type CommonOptions, commaList, withCommon } from "../options.ts";
import { print, table } from "../output.ts";

interface ApproveFlags extends CommonOptions {
  readonly account: string;
  readonly profile?: string;
  readonly scopes?: string[];
}

interface DenyFlags extends CommonOptions {
  readonly address?: string;
  readonly note?: string;
}

const KEY = "the SHA-256 fingerprint of its key, as its client's operator reads it out";

export function requestCommands(program: Command): void {
  const request = program.command("request").description("requests for a certificate without a token");
  withCommon(request.command("list")).description("list those that have not ended").action(runList);
  withCommon(request.command("approve").argument("<key-fingerprint>", KEY))
    .description("let the holder of a key have a certificate, for an account")
    .requiredOption("--account <slug>", "whose certificate it is to be")
    .option("--profile <name>", "what the certificate may be (client)")
    .option("--scopes <a,b>", "narrow the account's scopes for this certificate", commaList)
    .action(runApprove);
  withCommon(request.command("deny").argument("[key-fingerprint]", KEY))
    .description("refuse a request, or an approved one that was not fetched yet")
    .option("--address <cidr>", "instead of a key: all that wait from there")
    .option("--note <text>", "why, for the record")
    .action(runDeny);
}

async function runList(options: CommonOptions): Promise<void> {
  const { formatTime } = await import("../../domain/time.ts");
  const { liveRequests } = await import("../../services/requests.ts");
  const { localMutation, withState } = await import("../state.ts");
  const requests = await withState(options, (database) => liveRequests(database, localMutation()));
  const now = Date.now();
  const all = requests.map((request) => ({
    id: request.id,
    keyFingerprint: request.spkiHash,
    keyType: request.keyType,
    address: request.address,
    profile: request.profile,
    status: request.status,
    createdAt: formatTime(request.createdAt),
    expiresAt: formatTime(request.expiresAt),
    account: request.account,
    fingerprint: request.fingerprint,
    decidedBy: request.decidedBy,
    note: request.note,
  }));
  print(options, all, () =>
    table(
      ["REQUEST", "KEY FINGERPRINT", "TYPE", "ADDRESS", "AGE", "PROFILE", "STATUS", "FETCHED"],
      requests.map(
        ({ id, spkiHash, keyType, address, createdAt, profile = "", status, fingerprint = "" }) => [
          ...[id, spkiHash, keyType, address, ageOf(now - createdAt), profile, status, fingerprint],
        ],
      ),
    ),
  );
}

async function runApprove(fingerprint: string, options: ApproveFlags): Promise<void> {
  const { parseScope, parseSlug } = await import("../../domain/names.ts");
  const { homePaths } = await import("../../home/paths.ts");
  const { loadProfiles } = await import("../../home/profiles.ts");
  const { approveRequest } = await import("../../services/requests.ts");
  const { localMutation, withState } = await import("../state.ts");
  const key = await keyNamed(fingerprint);
  const account = parseSlug(options.account);
  const scopes = options.scopes?.map(parseScope);
  const profile = options.profile === undefined ? undefined : parseSlug(options.profile);
  const approved = await withState(options, (database, config) => {
    const profiles = loadProfiles(homePaths(config.home).profiles);
    return approveRequest(database, localMutation(), key, { account, scopes, profile, profiles });
  });
  report(
    options,
    key,
    approved,
    `approved for account ${account}; its client gets a certificate when it asks again`,
  );
}

async function runDeny(fingerprint: string | undefined, options: DenyFlags, command: Command): Promise<void> {
  const { parseNote } = await import("../../domain/revocation.ts");
  const { denyRequest, denyRequestsFrom, stillOut } = await import("../../services/requests.ts");
  const { localMutation, withState } = await import("../state.ts");
  const note = options.note === undefined ? undefined : parseNote(options.note);
  if (options.address !== undefined && fingerprint === undefined) {
    const { parseCidr } = await import("../../domain/address.ts");
    const range = parseCidr(options.address);
    const all = await withState(options, (database) =>
      denyRequestsFrom(database, localMutation(), range, note),
    );
    const requests = all.map(({ id, spkiHash, address }) => ({ id, keyFingerprint: spkiHash, address }));
    const value = { address: range, status: "denied", note, requests };
    print(options, value, () => `Requests from ${range} denied: ${String(all.length)}.`);
    return;
  }
  if (fingerprint === undefined || options.address !== undefined)
    return command.error("error: name a key by its fingerprint, or --address");
  const key = await keyNamed(fingerprint);
  const { denied, fetched } = await withState(options, (database) =>
    denyRequest(database, localMutation(), key, note),
  );
  report(options, key, denied, "denied", fetched, stillOut(fetched));
}

async function keyNamed(text: string): Promise<SpkiHash> {
  const { Refusal } = await import("../../domain/errors.ts");
  const { parseSpkiHash } = await import("../../domain/identifiers.ts");
  const key = parseSpkiHash(text);
  if (key) return key;
  throw new Refusal("ID_MALFORMED", "Name the key by its whole SHA-256 fingerprint: 64 hex digits.");
}

function report(
  options: CommonOptions,
  key: SpkiHash,
  requests: readonly RequestRecord[],
  what: string,
  fetched?: readonly Fingerprint[],
  besides?: string,
): void {
  const [{ status, account, profile, note } = {}] = requests as readonly Partial<RequestRecord>[];
  const value = {
    keyFingerprint: key,
    requests: requests.map(({ id }) => id),
    status,
    account,
    profile,
    note,
    fetched,
  };
  print(options, value, () => [`Key ${key} ${what}.`, besides].filter(Boolean).join("\n"));
}

/** In its largest unit, rounded down. */
function ageOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [unit, size] = (
    [
      ["h", 3600],
      ["m", 60],
    ] as const
  ).find(([, length]) => seconds >= length) ?? ["s", 1];
  return `${String(Math.floor(seconds / size))}${unit}`;
}
