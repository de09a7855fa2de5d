import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TLSSocket, connect, createServer } from "node:tls";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { peerInSession } from "../../src/enforce/session-peer.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { enrolled, type TestCredential } from "../support/client.ts";
import { sharedServer } from "../support/server.ts";

// The certificate in a session is the one that Node says the peer presented.
const ca = sharedServer();
let caller: TestCredential;
let session: Buffer;
beforeAll(async () => {
  caller = await enrolled(ca, await ca.token("acme"));
  ({ session } = await seenByServer("TLSv1.3"));
});

interface SeenByServer {
  readonly session: Buffer;
  readonly leaf: Buffer | undefined;
  readonly reused: boolean;
}

/** What a server has of one caller, or of the second connection of one who resumes. */
async function seenByServer(
  version: "TLSv1.2" | "TLSv1.3",
  { resumed = false, bare = false } = {},
): Promise<SeenByServer> {
  const versions = { minVersion: version, maxVersion: version };
  const options = {
    ...listenerCertificate(ca.home),
    ca: [caller.ca],
    requestCert: true,
    rejectUnauthorized: false,
  };
  const server = createServer({ ...options, ...versions, sessionIdContext: "test" });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const who = bare ? {} : { key: caller.key, cert: caller.cert };
  const visit = async (before?: Buffer): Promise<[SeenByServer, Buffer?]> => {
    const come = once(server, "secureConnection") as Promise<[TLSSocket]>;
    const client = connect({ port, ...who, ca: caller.ca, ...versions, ...(before && { session: before }) });
    const ticket = before ? Promise.resolve([]) : (once(client, "session") as Promise<[Buffer]>);
    client.resume();
    const [socket] = await come;
    const kept = socket.getSession();
    const seen = {
      session: Buffer.from(kept ?? []),
      leaf: socket.getPeerX509Certificate()?.raw,
      reused: socket.isSessionReused(),
    };
    socket.end();
    const [next] = await ticket;
    client.destroy();
    return [seen, next];
  };
  try {
    const [first, ticket] = await visit();
    return resumed ? (await visit(ticket))[0] : first;
  } finally {
    server.close();
  }
}

describe.each(["TLSv1.2", "TLSv1.3"] as const)("%s", (version) => {
  test.each([false, true])("resumed: %s", async (resumed) => {
    const { session: kept, leaf, reused } = await seenByServer(version, { resumed });
    expect(reused).toBe(resumed);
    expect(leaf?.length).toBeGreaterThan(0);
    expect(peerInSession(kept)).toEqual(leaf);
  });

  test("there is none of a caller without one", async () => {
    const { session: kept, leaf } = await seenByServer(version, { bare: true });
    expect(kept.length).toBeGreaterThan(0);
    expect(leaf).toBeUndefined();
    expect(peerInSession(kept)).toBeUndefined();
  });
});

test("of anything else, there is none, or a part of it that is whole", () => {
  expect(peerInSession(Buffer.alloc(0))).toBeUndefined();
  expect(peerInSession(Buffer.concat([session, Buffer.of(0)]))).toBeUndefined();
  for (let length = 0; length < session.length; length += 1)
    expect(peerInSession(session.subarray(0, length))).toBeUndefined();
  const changes = fc.array(fc.tuple(fc.nat(session.length - 1), fc.integer({ min: 0, max: 255 })), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(changes, (changed) => {
      const other = Buffer.from(session);
      for (const [at, octet] of changed) other[at] = octet;
      const found = peerInSession(other);
      if (!found) return;
      expect(found[0]).toBe(0x30);
      expect(other.includes(found)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
