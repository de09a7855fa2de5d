import type { Command } from "commander";
import type { Slug } from "../../domain/names.ts";
import { type CommonOptions, withCommon } from "../options.ts";
import { fields, print } from "../output.ts";

interface WhyFlags extends CommonOptions {
  readonly ip?: string;
  readonly scope?: string[];
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
}

export function whyCommand(program: Command): void {
  withCommon(program.command("why").argument("<serial|fingerprint|file>"))
    .description("say what a call with a certificate would be answered, and why")
    .option("--ip <address>", "when it comes from this address")
    .option("--scope <scope...>", "when it needs this scope")
    .option("--method <method>", "when its method is this one (GET, when there is a path)")
    .option("--path <path>", "when it asks for this path of serve's enforcement listener")
    .option("--host <host>", "when it asks for this host (one that no route names)")
    .action(runWhy);
}

async function runWhy(id: string, options: WhyFlags): Promise<void> {
  const { parseScope } = await import("../../domain/names.ts");
  const { destinationOf } = await import("../../domain/route.ts");
  const { formatTime } = await import("../../domain/time.ts");
  const { loadTrust } = await import("../../home/trust.ts");
  const { listingsOf } = await import("../../home/trust-copies.ts");
  const { explain } = await import("../../services/explain.ts");
  const { certificateInQuestion } = await import("../named-certificate.ts");
  const { loadRouting, withState } = await import("../state.ts");
  const { parseAddress } = await import("../../domain/address.ts");
  const { ip, method = "GET", path = "/" } = options;
  const address = ip === undefined ? undefined : parseAddress(ip);
  const isRouted = [options.method, options.path, options.host].some((one) => one !== undefined);
  const scopes = (options.scope ?? []).map(parseScope);
  const explained = await withState(options, async (database, config) => {
    const trusted = loadTrust(config, Date.now());
    const foreign = trusted.flatMap(({ cas }) => cas.map((ca) => ca.certificate));
    const question = await certificateInQuestion(database, id, foreign);
    const asked = { host: options.host, method, path: path.split("?", 1)[0] ?? path };
    const routing = isRouted ? loadRouting(options) : undefined;
    const route = routing && ((account: Slug | undefined) => destinationOf(routing, { ...asked, account }));
    const listing = await listingsOf(trusted);
    return explain(database, question, { now: Date.now(), address, scopes, route, listing });
  });
  const { record, ...answer } = explained;
  const time = (at: number | undefined) => (at === undefined ? undefined : formatTime(at));
  const status = record && {
    statusAt: time(record.statusAt),
    reason: record.reason,
    invalidSince: time(record.invalidityAt),
    statusBy: record.statusBy,
    note: record.note,
  };
  print(options, { ...answer, ...status }, () =>
    fields({
      Answer: explained.allowed ? "let through" : "refused",
      Code: explained.code,
      Because: explained.because,
      Rule: explained.rule,
      Route: explained.route,
      Fingerprint: explained.fingerprint,
      Account: explained.account,
      Since: status?.statusAt,
      Reason: status?.reason,
      "Invalid since": status?.invalidSince,
      By: status?.statusBy,
      Note: status?.note,
      "Renewed by": explained.renewedBy,
      Scopes: explained.scopes && (explained.scopes.join(", ") || "none"),
      "Not asked": explained.unasked?.map(({ says }) => says).join("; "),
    }),
  );
}
