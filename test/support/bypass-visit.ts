import type { TLSSocket } from "node:tls";
import { type BypassGround, type Brought, ask } from "./bypass-ground.ts";

export const tlsVersions = ["TLSv1.2", "TLSv1.3"] as const;
export type TlsVersion = (typeof tlsVersions)[number];

export interface Visit {
  /** Whether its session was resumed. */
  readonly reused: boolean;
  /** The status, then the account or the error's code. */
  readonly said: string;
  /** What the next one can resume from. */
  readonly session: Buffer;
}

/** One connection with one request, resumed from a session if one is given. */
export async function visit(
  ground: BypassGround,
  version: TlsVersion,
  who: Brought,
  { session, url = ground.url }: { readonly session?: Buffer | undefined; readonly url?: string } = {},
): Promise<Visit> {
  const versioned = { minVersion: version, maxVersion: version };
  const socket = await ground.connect(who, { ...versioned, ...(session && { session }) }, url);
  try {
    const reused = socket.isSessionReused();
    const said = saidIn(await ask(socket));
    const latest = socket.getSession(); // TLS 1.3 has its tickets only after the handshake, but before the answer
    if (!latest) throw new Error("there is no session");
    return { reused, said, session: latest };
  } finally {
    socket.destroy();
  }
}

/** The status of an answer, then its code, or its body where it has none. */
export function saidIn(answer: string): string {
  const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  const said = /"code":"(\w+)"/.exec(body)?.[1] ?? body.split("\r\n").at(-1);
  return `${answer.slice(9, 12)} ${said ?? ""}`.trim();
}

/** What becomes of a renegotiation that a client of TLS 1.2 starts. */
export function renegotiate(socket: TLSSocket): Promise<"renegotiated" | "cut off"> {
  return new Promise((resolve) => {
    socket.once("close", () => {
      resolve("cut off");
    });
    socket.renegotiate({}, (error) => {
      resolve(error ? "cut off" : "renegotiated");
    });
  });
}
