import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type WebSocket, WebSocketServer } from "ws";

/** How long a restart takes, milliseconds. */
const AWAY = 300;
/** Before and after which calls may still feel that it was away, on a machine at full load; milliseconds. */
const MARGIN = 500;
const BEAT = 50;

/** A service behind the gateway that answers whom it was told is calling, and is gone for a moment now and then. */
export class RestartedUpstream {
  /** The most connections at once. */
  peak = 0;
  readonly #server = createServer({ keepAliveTimeout: 60_000 }, answer);
  readonly #webSockets = new WebSocketServer({ noServer: true });
  readonly #sockets = new Set<Socket>();
  readonly #absences: { readonly from: number; to: number }[] = [];
  #port = 0;

  static async start(): Promise<RestartedUpstream> {
    const upstream = new RestartedUpstream();
    await upstream.#listen();
    return upstream;
  }

  private constructor() {
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      this.peak = Math.max(this.peak, this.#sockets.size);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#webSockets.handleUpgrade(request, socket, head, (open) => {
        beatOn(open, String(request.headers["x-client-account"]));
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}`;
  }

  get open(): number {
    return this.#sockets.size;
  }

  get restarts(): number {
    return this.#absences.length;
  }

  async restart(): Promise<void> {
    const absence = { from: performance.now(), to: Infinity };
    this.#absences.push(absence);
    await this.stop();
    await sleep(AWAY);
    await this.#listen();
    absence.to = performance.now();
  }

  /** As if it had been killed. */
  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Whether it was away for some of that time, or the moments around it. */
  mayBeAway(from: number, to: number): boolean {
    return this.#absences.some((absence) => absence.from - MARGIN <= to && from <= absence.to + MARGIN);
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === "/events") {
    response.setHeader("Content-Type", "text/event-stream");
    const beating = setInterval(() => response.write("data: on\n\n"), BEAT);
    response.once("close", () => {
      clearInterval(beating);
    });
    return;
  }
  let received = 0;
  request.on("data", (piece: Buffer) => (received += piece.length));
  request.once("end", () => {
    const account = request.headers["x-client-account"];
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ account, received }));
  });
}

function beatOn(open: WebSocket, account: string): void {
  const beating = setInterval(() => {
    open.send(account);
  }, BEAT);
  open.on("error", () => undefined);
  open.once("close", () => {
    clearInterval(beating);
  });
}
