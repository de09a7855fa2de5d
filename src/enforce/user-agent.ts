const LONGEST_AGENT = 200;

/** What a caller calls itself, cut off where it is long. `headers` would be made of these first. */
export function agentOf(rawHeaders: readonly string[]): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 10 && name.toLowerCase() === "user-agent") return bounded(rawHeaders[i + 1] ?? "");
  }
  return undefined;
}

/** A copy, for a slice would keep the whole in memory. */
function bounded(agent: string): string {
  if (agent.length <= LONGEST_AGENT) return agent;
  return Buffer.from(agent.slice(0, LONGEST_AGENT), "latin1").toString("latin1");
}

/** Without what would do something to a terminal or a line of text. */
export function plainAgent(agent: string): string {
  return agent.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "");
}
