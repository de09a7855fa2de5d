import { type AddressInfo, type Socket, connect, createServer } from "node:net";

/** A way to PostgreSQL that can be cut and mended, as a network is. */
export interface CuttableWay {
  readonly url: string;
  /** Ends every connection, and refuses new ones. */
  cut(): void;
  mend(): Promise<void>;
  /** Drops what is sent, without a word, for as long as `work` takes; connections of that time never recover. */
  whileSilent(work: () => Promise<void>): Promise<void>;
  /** Cuts it for as long as `work` takes. */
  whileCut(work: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export async function cuttableWay(target: string): Promise<CuttableWay> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
  };
  const lost = new WeakSet<Socket>();
  let isSilent = false;
  const server = createServer((inward) => {
    const outward = connect(Number(port), hostname);
    const pass = (from: Socket, to: Socket): void => {
      track(from).on("data", (chunk) => {
        if (isSilent) lost.add(from).add(to);
        if (!lost.has(from)) to.write(chunk);
      });
    };
    pass(inward, outward);
    pass(outward, inward);
    inward.once("close", () => outward.destroy());
    outward.once("close", () => inward.destroy());
  });
  const listen = (on: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once("error", reject).listen(on, "127.0.0.1", () => {
        resolve();
      });
    });
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  const cut = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const url = new URL(target);
  url.host = `127.0.0.1:${String(own)}`;
  return {
    url: url.href,
    cut,
    mend: () => listen(own),
    async whileCut(work) {
      cut();
      try {
        await work();
      } finally {
        await listen(own);
      }
    },
    async whileSilent(work) {
      isSilent = true;
      try {
        await work();
      } finally {
        isSilent = false;
      }
    },
    async close() {
      if (!server.listening) return;
      const closed = new Promise((resolve) => server.once("close", resolve));
      cut();
      await closed;
    },
  };
}
