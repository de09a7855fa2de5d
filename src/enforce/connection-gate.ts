import { type Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Limits } from "../domain/limits.ts";
import type { Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import { addressGroup } from "./address-group.ts";
import { socketBelow } from "./transport.ts";

/** Why a connection was closed before its handshake. */
export type ShedReason = "connections" | "connections-of-address" | "waiting" | "waiting-of-address" | "time";

type GateLimits = Pick<
  Limits,
  | "handshakes"
  | "handshakesPerAddress"
  | "waiting"
  | "handshakeTime"
  | "connections"
  | "connectionsPerAddress"
>;

/**
 * Handshakes that begin in one turn of the event loop: each takes about a millisecond of it, and requests on open
 * connections get their turn in between.
 */
const PER_TURN = 4;

/** How often those that wait are looked through in the time that one may wait. */
const LOOKS = 4;

/** What one address (of IPv6: one /64) has here. */
interface Visitor {
  readonly group: string;
  open: number;
  handshakes: number;
  readonly waiting: Set<Visit>;
}

/** A connection, until it closes. */
interface Visit {
  readonly socket: Socket;
  readonly visitor: Visitor;
  /** How often those that wait were looked through since it waits. */
  looks: number;
}

/**
 * Stands before a TLS server and lets in only so many handshakes at once. Others wait, the addresses in turn; beyond what
 * may wait, a connection is closed before TLS has cost anything. Callers whose handshake is over are not held up.
 */
export class ConnectionGate {
  readonly #limits: GateLimits;
  readonly #logger: Logger;
  readonly #begin: (socket: Socket) => void;
  readonly #visitors = new Map<string, Visitor>();
  /** Those with connections that wait, whose turn is next first. */
  readonly #queue = new Set<Visitor>();
  readonly #underWay = new Set<Visit>();
  readonly #shed = new Map<ShedReason, number>();
  #waiting = 0;
  #looking: NodeJS.Timeout | undefined;
  readonly #visits = new WeakMap<Socket, Visit>();
  readonly #left: (this: Socket) => void;
  #begunThisTurn = 0;
  #isTurnCounted = false;
  #unreported = 0;

  /** Call it before the server listens, and before others listen for its connections. */
  constructor(server: Server, limits: GateLimits, logger: Logger) {
    this.#limits = limits;
    this.#logger = logger;
    const leave = (socket: Socket): void => {
      this.#leave(socket);
    };
    // One for all connections: which it is about, the emitter tells.
    this.#left = function (this: Socket) {
      leave(this);
    };
    const listeners = server.listeners("connection") as ((this: Server, socket: Socket) => void)[];
    server.removeAllListeners("connection");
    this.#begin = (socket) => {
      for (const listener of listeners) listener.call(server, socket);
    };
    server.on("connection", (socket: Socket) => {
      this.#enter(socket);
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      // Whoever takes the connection over (an upgrade) has handlers of its own to add: until then, none must be missing.
      socket.on("error", ignore);
      this.#secured(socket);
    });
    server.maxConnections = limits.connections;
    server.on("drop", () => {
      this.#count("connections");
    });
  }

  /** Handshakes under way. */
  get handshakes(): number {
    return this.#underWay.size;
  }

  /** Connections closed before their handshake so far. */
  get shedCounts(): ReadonlyMap<ShedReason, number> {
    return this.#shed;
  }

  #enter(socket: Socket): void {
    // Of a Unix domain socket, or what was made in this process, there is nobody to keep apart.
    const remoteAddress = socket instanceof Socket ? socket.remoteAddress : undefined;
    if (remoteAddress === undefined || this.#visits.has(socket)) {
      this.#begin(socket);
      return;
    }
    socket.on("error", ignore);
    const visitor = this.#visitorAt(addressGroup(remoteAddress));
    if (visitor.open >= this.#limits.connectionsPerAddress) {
      this.#close(socket, "connections-of-address");
      return;
    }
    visitor.open += 1;
    const visit: Visit = { socket, visitor, looks: 0 };
    this.#visits.set(socket, visit);
    socket.on("close", this.#left);
    if (this.#waiting === 0 && this.#mayBegin(visitor)) this.#handshake(visit);
    else this.#wait(visit);
  }

  #visitorAt(group: string): Visitor {
    let visitor = this.#visitors.get(group);
    if (!visitor) {
      visitor = { group, open: 0, handshakes: 0, waiting: new Set() };
      this.#visitors.set(group, visitor);
    }
    return visitor;
  }

  #leave(socket: Socket): void {
    const visit = this.#visits.get(socket);
    if (!visit) return;
    const { visitor } = visit;
    this.#visits.delete(socket);
    this.#endHandshake(visit);
    this.#stopWaiting(visit);
    visitor.open -= 1;
    if (visitor.open === 0) this.#visitors.delete(visitor.group);
  }

  #mayBegin({ handshakes }: Visitor): boolean {
    return (
      this.#begunThisTurn < PER_TURN &&
      this.#underWay.size < this.#limits.handshakes &&
      handshakes < this.#limits.handshakesPerAddress
    );
  }

  #handshake(visit: Visit): void {
    this.#underWay.add(visit);
    visit.visitor.handshakes += 1;
    this.#begunThisTurn += 1;
    this.#countTurn();
    this.#begin(visit.socket);
  }

  #endHandshake(visit: Visit): void {
    if (!this.#underWay.delete(visit)) return;
    visit.visitor.handshakes -= 1;
    if (this.#waiting > 0) this.#countTurn();
  }

  #secured(tls: TLSSocket): void {
    const below = socketBelow(tls);
    const visit = below ? this.#visits.get(below) : this.#visitBelow(tls);
    if (visit) this.#endHandshake(visit);
  }

  /** Both ends' addresses are the same for a socket and for TLS on it. */
  #visitBelow(tls: TLSSocket): Visit | undefined {
    const place = placeOf(tls);
    for (const visit of this.#underWay) if (placeOf(visit.socket) === place) return visit;
    return undefined;
  }

  #wait(visit: Visit): void {
    const { socket, visitor } = visit;
    const { waiting } = this.#limits;
    if (this.#waiting >= waiting || visitor.waiting.size >= waiting / 2) {
      this.#close(socket, this.#waiting >= waiting ? "waiting" : "waiting-of-address");
      return;
    }
    visitor.waiting.add(visit);
    this.#waiting += 1;
    this.#queue.add(visitor);
    this.#lookOut();
    this.#countTurn();
  }

  #stopWaiting(visit: Visit): void {
    const { visitor } = visit;
    if (!visitor.waiting.delete(visit)) return;
    this.#waiting -= 1;
    if (visitor.waiting.size === 0) this.#queue.delete(visitor);
  }

  /** Closes those that have waited for the time of a handshake. */
  #lookOut(): void {
    this.#looking ??= setInterval(() => {
      for (const { waiting } of this.#queue)
        for (const visit of waiting) {
          if (++visit.looks <= LOOKS) continue;
          this.#stopWaiting(visit);
          this.#close(visit.socket, "time");
        }
      if (this.#waiting > 0) return;
      clearInterval(this.#looking);
      this.#looking = undefined;
    }, this.#limits.handshakeTime / LOOKS).unref();
  }

  /** At the end of this turn of the event loop, whoever waits may begin. */
  #countTurn(): void {
    if (this.#isTurnCounted) return;
    this.#isTurnCounted = true;
    setImmediate(() => {
      this.#isTurnCounted = false;
      this.#begunThisTurn = 0;
      this.#admit();
    });
  }

  /** One of each address that waits, then the next of each, as long as they may. */
  #admit(): void {
    for (const visitor of this.#queue) {
      if (this.#begunThisTurn >= PER_TURN || this.#underWay.size >= this.#limits.handshakes) return;
      if (!this.#mayBegin(visitor)) continue;
      const [visit] = visitor.waiting;
      if (!visit) continue;
      this.#stopWaiting(visit);
      this.#queue.delete(visitor);
      if (visitor.waiting.size > 0) this.#queue.add(visitor); // at the end: this loop comes to it again
      this.#handshake(visit);
    }
  }

  #close(socket: Socket, reason: ShedReason): void {
    this.#count(reason);
    socket.resetAndDestroy();
  }

  #count(reason: ShedReason): void {
    this.#shed.set(reason, (this.#shed.get(reason) ?? 0) + 1);
    this.#unreported += 1;
    if (this.#unreported > 1) return;
    // The first of a second tells of all in it.
    setTimeout(() => {
      const fields = { count: this.#unreported, shed: Object.fromEntries(this.#shed) };
      this.#unreported = 0;
      this.#logger.warn(fields, "too many connections: some were closed before their handshake");
    }, SECOND).unref();
  }
}

const ignore = (): void => undefined;

function placeOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(" ");
}
