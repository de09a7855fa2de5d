import { type IncomingMessage } from "node:http";
import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Authority } from "./authority.ts";
import { nameOf } from "./authority.ts";
import type { CallCounts, Complain, Slot } from "./callers.ts";
import { type AccountModel, mayBeCutAsStream, mayStream, rightAnswers } from "./model.ts";
import { revoke } from "../../src/services/revocation.ts";

type Current = Slot["current"];

/** Keeps a WebSocket open that is spoken to, and opens another when it is cut. */
export async function listenOnAndOn(
  slot: Slot,
  url: string,
  stopping: AbortSignal,
  { byOutcome, mayBeAway = () => false }: CallCounts,
  complain: Complain,
): Promise<void> {
  while (!stopping.aborted) {
    const { current } = slot;
    const { model } = current;
    const isOurs = (): boolean => stopping.aborted || slot.current !== current;
    const sentAt = performance.now();
    const socket = openSocket(url, current);
    const opened = new Set<WebSocket>();
    const gone = new Promise((resolve) => socket.once("close", resolve));
    socket.once("open", () => {
      opened.add(socket);
      byOutcome.set("WebSockets", (byOutcome.get("WebSockets") ?? 0) + 1);
    });
    socket.on("message", (said: Buffer) => {
      if (isOurs()) socket.terminate();
      else if (!mayStream(model, performance.now())) complain("a WebSocket outlives its credential");
      if (said.toString() !== model.account.slug)
        complain(`a WebSocket of ${model.account.slug} is taken for ${said.toString()}`);
    });
    socket.once("unexpected-response", (_request, { statusCode = 0 }: IncomingMessage) => {
      const now = performance.now();
      const right = [...rightAnswers(model, sentAt, now)];
      const isRight =
        statusCode >= 500
          ? [502, 504].includes(statusCode) && mayBeAway(sentAt, now)
          : right.some((outcome) => outcome !== "ALLOWED");
      if (!isRight) complain(`a WebSocket: ${String(statusCode)} instead of ${right.join(" or ")}`);
      socket.terminate();
    });
    await gone;
    const now = performance.now();
    if (opened.has(socket) && !isOurs() && !mayBeCutAsStream(model, sentAt, now) && !mayBeAway(now, now))
      complain("a WebSocket was cut without a reason");
  }
}

/**
 * Revokes callers that have nothing but an event stream and a WebSocket open, one after another, and waits until both are cut.
 *
 * @returns how many were cut while the service was there
 */
export async function cutOnAndOn(
  authority: Authority,
  account: AccountModel,
  url: string,
  end: number,
  mayBeAway: (from: number, to: number) => boolean,
  complain: Complain,
): Promise<number> {
  let cut = 0;
  while (performance.now() < end) {
    const victim = await authority.issue(account);
    const begunAt = performance.now();
    const open = [openStream(url, victim), listenTo(openSocket(url, victim))];
    const begun = await Promise.all(open.map(({ first }) => first));
    const { database, mutation } = authority;
    await authority.change(victim.model.status, "revoked", async () => {
      return (await revoke(database, mutation, nameOf(victim.credential), "keyCompromise")).sequence;
    });
    const settledAt = performance.now();
    const isCut = Promise.all(open.map(({ gone }) => gone));
    const isGone = await Promise.race([isCut, sleep(PATIENCE, undefined)]);
    const goneAt = performance.now();
    // Else it may have been the service that cut them when it went.
    const isLate = goneAt - settledAt > SOON && mayBeAway(goneAt, goneAt);
    if (!isGone || isLate)
      complain("a revoked caller was not cut in the middle of its stream and its WebSocket");
    if (begun.every(Boolean) && !mayBeAway(begunAt, performance.now())) cut += 1;
    for (const { close } of open) close();
    await sleep(WHILE);
  }
  return cut;
}

/** Milliseconds. */
const PATIENCE = 20_000;
const SOON = 1000;
const WHILE = 200;

interface Watched {
  /** Whether something came before it was gone. */
  readonly first: Promise<boolean>;
  readonly gone: Promise<true>;
  readonly close: () => void;
}

function listenTo(socket: WebSocket): Watched {
  const gone = new Promise<true>((resolve) =>
    socket.once("close", () => {
      resolve(true);
    }),
  );
  const first = new Promise<boolean>((resolve) => {
    socket.once("message", () => {
      resolve(true);
    });
    void gone.then(() => {
      resolve(false);
    });
  });
  socket.once("unexpected-response", () => {
    socket.terminate();
  });
  return {
    first,
    gone,
    close: () => {
      socket.terminate();
    },
  };
}

function openStream(url: string, { credential: { key, cert, ca } }: Current): Watched {
  const sent = request(`${url}/events`, { key, cert, ca, agent: false }).end();
  sent.on("error", () => undefined);
  const gone = new Promise<true>((resolve) =>
    sent.once("close", () => {
      resolve(true);
    }),
  );
  const first = new Promise<boolean>((resolve) => {
    sent.once("response", (response: IncomingMessage) => {
      response.on("error", () => undefined).resume();
      response.once("data", () => {
        resolve(response.statusCode === 200);
      });
    });
    void gone.then(() => {
      resolve(false);
    });
  });
  return {
    first,
    gone,
    close: () => {
      sent.destroy();
    },
  };
}

function openSocket(url: string, { credential: { key, cert, ca } }: Current): WebSocket {
  const socket = new WebSocket(`${url.replace("https", "wss")}/chat`, { key, cert, ca });
  socket.on("error", () => undefined);
  return socket;
}
