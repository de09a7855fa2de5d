import type { Server, Socket } from "node:net";
import type { Limits } from "../domain/limits.ts";
import type { Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import { addressGroup } from "./address-group.ts";

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

interface Handshake {
  readonly socket: Socket;
  end: () => void;
}

/** What one address (of IPv6: one /64) has here. */
interface Visitor {
  readonly group: string;
  open: number;
  handshakes: number;
  readonly waiting: Set<Socket>;
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
  /** Handshakes under way, by the other end's address and port: there may be several, to several addresses of ours. */
  readonly #underWay = new Map<string, Handshake[]>();
  #handshakes = 0;
  readonly #shed = new Map<ShedReason, number>();
  #waiting = 0;
  #begunThisTurn = 0;
  #isTurnCounted = false;
  #unreported = 0;

  /** Call it before the server listens, and before others listen for its connections. */
  constructor(server: Server, limits: GateLimits, logger: Logger) {
    this.#limits = limits;
    this.#logger = logger;
    const listeners = server.listeners("connection") as ((this: Server, socket: Socket) => void)[];
    server.removeAllListeners("connection");
    this.#begin = (socket) => {
      for (const listener of listeners) listener.call(server, socket);
    };
    server.on("connection", (socket: Socket) => {
      this.#enter(socket);
    });
    server.on("secureConnection", (socket: Socket) => {
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
    return this.#handshakes;
  }

  /** Connections closed before their handshake so far. */
  get shedCounts(): ReadonlyMap<ShedReason, number> {
    return this.#shed;
  }

  #enter(socket: Socket): void {
    // A Unix domain socket, or one that was made in this process: there is nobody to keep apart.
    if (socket.remoteAddress === undefined) {
      this.#begin(socket);
      return;
    }
    socket.on("error", ignore);
    const visitor = this.#visitorAt(addressGroup(socket.remoteAddress));
    if (visitor.open >= this.#limits.connectionsPerAddress) {
      this.#close(socket, "connections-of-address");
      return;
    }
    visitor.open += 1;
    socket.once("close", () => {
      this.#left(visitor);
    });
    if (this.#waiting === 0 && this.#mayBegin(visitor)) this.#handshake(socket, visitor);
    else this.#wait(socket, visitor);
  }

  #visitorAt(group: string): Visitor {
    let visitor = this.#visitors.get(group);
    if (!visitor) {
      visitor = { group, open: 0, handshakes: 0, waiting: new Set() };
      this.#visitors.set(group, visitor);
    }
    return visitor;
  }

  #left(visitor: Visitor): void {
    visitor.open -= 1;
    if (visitor.open === 0) this.#visitors.delete(visitor.group);
  }

  #mayBegin({ handshakes }: Visitor): boolean {
    return (
      this.#begunThisTurn < PER_TURN &&
      this.#handshakes < this.#limits.handshakes &&
      handshakes < this.#limits.handshakesPerAddress
    );
  }

  #handshake(socket: Socket, visitor: Visitor): void {
    const place = placeOf(socket);
    const handshake: Handshake = { socket, end: ignore };
    const end = (): void => {
      if (!this.#forget(place, handshake)) return;
      visitor.handshakes -= 1;
      socket.off("close", end);
      if (this.#waiting > 0) this.#countTurn();
    };
    handshake.end = end;
    visitor.handshakes += 1;
    this.#handshakes += 1;
    const others = this.#underWay.get(place);
    if (others) others.push(handshake);
    else this.#underWay.set(place, [handshake]);
    socket.once("close", end);
    this.#begunThisTurn += 1;
    this.#countTurn();
    this.#begin(socket);
  }

  #forget(place: string, handshake: Handshake): boolean {
    const there = this.#underWay.get(place) ?? [];
    const index = there.indexOf(handshake);
    if (index < 0) return false;
    if (there.length === 1) this.#underWay.delete(place);
    else there.splice(index, 1);
    this.#handshakes -= 1;
    return true;
  }

  /** @param tls on one of the sockets that a handshake is under way on, which it does not tell */
  #secured(tls: Socket): void {
    const there = this.#underWay.get(placeOf(tls));
    if (!there) return;
    const isBelow = ({ socket }: Handshake): boolean =>
      socket.localAddress === tls.localAddress && socket.localPort === tls.localPort;
    const mine = there.length === 1 ? there[0] : there.find(isBelow);
    mine?.end();
  }

  #wait(socket: Socket, visitor: Visitor): void {
    const { waiting, handshakeTime } = this.#limits;
    if (this.#waiting >= waiting || visitor.waiting.size >= waiting / 2) {
      this.#close(socket, this.#waiting >= waiting ? "waiting" : "waiting-of-address");
      return;
    }
    const leave = (): void => {
      if (!visitor.waiting.delete(socket)) return;
      this.#waiting -= 1;
      if (visitor.waiting.size === 0) this.#queue.delete(visitor);
    };
    visitor.waiting.add(socket);
    this.#waiting += 1;
    this.#queue.add(visitor);
    socket.once("close", leave);
    socket.setTimeout(handshakeTime);
    socket.once("timeout", () => {
      if (visitor.waiting.has(socket)) this.#close(socket, "time");
    });
    this.#countTurn();
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
      if (this.#begunThisTurn >= PER_TURN || this.#handshakes >= this.#limits.handshakes) return;
      if (!this.#mayBegin(visitor)) continue;
      const [socket] = visitor.waiting;
      if (!socket) continue;
      visitor.waiting.delete(socket);
      this.#waiting -= 1;
      this.#queue.delete(visitor);
      if (visitor.waiting.size > 0) this.#queue.add(visitor); // at the end: this loop comes to it again
      socket.setTimeout(0);
      this.#handshake(socket, visitor);
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

/** A connection's other end: the same for the socket and for TLS on it. */
function placeOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ""} ${String(socket.remotePort)}`;
}
