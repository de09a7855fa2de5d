import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ClientCredentials } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { type FingerprintService, fingerprintService } from "../support/fingerprint-service.ts";
import { callerFor, ways } from "../support/renewing-callers.ts";
import { ClientHeldTimers, enrolledClient, heard } from "../support/renewing-client.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
let service: FingerprintService;

beforeAll(async () => {
  service = await fingerprintService(server);
});
afterAll(() => service.close());

/** A caller that has called once. */
async function scene(way: (typeof ways)[number], most?: number) {
  const time = ClientHeldTimers.hold();
  const renewed = heard<ClientCredentials>();
  const credentials = await enrolledClient(server, "swaps");
  const options = { credentials, clock: time.clock, onRenewed: renewed.call };
  const caller = callerFor(way, options, most);
  const get = (): Promise<string> => caller.get(service.url);
  expect(await get()).toBe(credentials.fingerprint);
  const renew = async (): Promise<ClientCredentials> => {
    time.set(time.due);
    const next = await renewed.next();
    time.set(0);
    return next;
  };
  return { credentials, get, renew };
}

describe.each(ways)("%s", (way) => {
  test("calls have the new certificate as soon as it is there; idle connections of the old one are closed", async () => {
    const { credentials, get, renew } = await scene(way);
    await Promise.all([get(), get(), get()]);
    const former = [...service.open];
    const next = await renew();
    expect(next.fingerprint).not.toBe(credentials.fingerprint);
    expect(JSON.stringify(next)).not.toContain("PRIVATE KEY");
    expect(await get()).toBe(next.fingerprint);
    await eventually(() => {
      expect(former.every(({ destroyed }) => destroyed)).toBe(true);
    });
    expect(await get()).toBe(next.fingerprint);
    expect((await renew()).fingerprint).toBe(await get());
  });

  test("what is under way ends on its connection, which is not used again", async () => {
    const { credentials, get, renew } = await scene(way);
    service.hold();
    const underWay = [get(), get()];
    await eventually(() => {
      expect(service.held).toBe(2);
    });
    const former = [...service.open];
    const next = await renew();
    const later = get();
    await eventually(() => {
      expect(service.held).toBe(3);
    });
    service.release();
    expect(await Promise.all(underWay)).toEqual([credentials.fingerprint, credentials.fingerprint]);
    expect(await later).toBe(next.fingerprint);
    await eventually(() => {
      expect(former.every(({ destroyed }) => destroyed)).toBe(true);
    });
  });

  test("what waits for a connection gets one, also when the old one's is cut", async () => {
    const { credentials, get, renew } = await scene(way, 1);
    service.hold();
    const first = get().catch(() => "cut");
    const waiting = [get(), get(), get()];
    await eventually(() => {
      expect(service.held).toBe(1);
    });
    const former = [...service.open];
    const next = await renew();
    for (const socket of former) socket.destroy();
    expect(await first).toBe("cut");
    service.release();
    for (const answer of await Promise.all(waiting))
      expect([credentials.fingerprint, next.fingerprint]).toContain(answer);
    expect(await get()).toBe(next.fingerprint);
  });

  test("what is begun when the certificate has ended waits for the next", async () => {
    const time = ClientHeldTimers.hold();
    const credentials = await enrolledClient(server, "late");
    const caller = callerFor(way, { credentials, clock: time.clock });
    time.set(time.expired);
    const answers = await Promise.all([caller.get(service.url), caller.get(service.url)]);
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).not.toBe(credentials.fingerprint);
  });
});
