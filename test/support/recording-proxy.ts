import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";

export interface RecordingProxy {
  /** The listener's URL with the proxy's port. */
  readonly url: string;
  /** Everything that went through, both ways. */
  recorded(): Buffer;
  close(): Promise<void>;
}

/** Passes TCP connections on to a listener, octet for octet, and keeps a copy. */
export async function recordingProxy(target: string): Promise<RecordingProxy> {
  const parts: Buffer[] = [];
  const open = new Set<Socket>();
  const join = (from: Socket, to: Socket): void => {
    open.add(from);
    from.on("data", (part: Buffer) => {
      parts.push(part);
      to.write(part);
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => open.delete(from));
  };
  const { hostname, port } = new URL(target);
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    join(near, far);
    join(far, near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://${hostname}:${String((server.address() as AddressInfo).port)}`,
    recorded: () => Buffer.concat(parts),
    async close() {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, "close");
    },
  };
}
