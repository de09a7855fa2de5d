import type { Incoming } from "../transport.ts";
import { type RawHeaders, isOurs, nameRead } from "./identity-headers.ts";

/** Of one hop (RFC 9110 §7.6.1), and what we answer ourselves (Expect). */
const hopByHop = new Set([
  ...["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "http2-settings"],
  ...["proxy-authenticate", "proxy-authorization", "expect"],
]);

/** What an upstream gets once, as we have it. */
const setAnew = new Set(["host", "x-request-id"]);

/** What `Connection` may not take away: without it a message would end elsewhere, or be for another host. */
const kept = new Set(["host", "content-length"]);

/**
 * The headers of a request that go on to an upstream: without those of one hop, those that `Connection` names, those that only
 * we may say, and what is set anew.
 */
export function endToEnd({ rawHeaders }: Pick<Incoming, "rawHeaders">): string[] {
  const named = connectionOptions(rawHeaders);
  const out: string[] = [];
  const cookies: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = [rawHeaders[i], rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    const read = nameRead(lower);
    if (lower.startsWith(":") || setAnew.has(read) || hopByHop.has(read) || isOurs(read)) continue;
    if (kept.has(read) ? lower !== read : named.has(lower)) continue;
    if (lower === "cookie") cookies.push(value);
    else out.push(name, value);
  }
  // HTTP/2 may have it in pieces, HTTP/1.1 may not (RFC 9113 §8.2.3).
  if (cookies.length > 0) out.push("Cookie", cookies.join("; "));
  return out;
}

/** The headers of an answer that go on to the caller, by their names in lower case. */
export function answerHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): (readonly [name: string, value: string | string[]])[] {
  const named = connectionOptions(["connection", [headers["connection"] ?? []].flat().join(",")]);
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || hopByHop.has(name) || (named.has(name) && !kept.has(name)) ? [] : [[name, value]],
  );
}

function connectionOptions(rawHeaders: RawHeaders): ReadonlySet<string> {
  const options = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== "connection") continue;
    for (const option of rawHeaders[i + 1]?.split(",") ?? []) options.add(option.trim().toLowerCase());
  }
  return options;
}
