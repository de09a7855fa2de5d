import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { SECOND } from "../../src/domain/time.ts";
import { bypassGround } from "../support/bypass-ground.ts";
import { ask, openSession } from "../support/http2-client.ts";
import { freshRequest } from "../support/client.ts";
import { signedOffRecord, stolenIssuer } from "../support/own-issuer.ts";
import { codec } from "../../src/x509/codec.ts";
import { toPem } from "../../src/x509/pem.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  url = await ground.listenHttp2();
});

afterEach(() => vi.useRealTimers());

// Of what the database was asked, the answer tells: who is not looked up is not called unknown.
test("one fingerprint that nobody knows is looked up once, however often it asks at once", async () => {
  const session = await openSession(url, await signedOffRecord(ground.scene.home));
  const asked = await Promise.all(Array.from({ length: 120 }, () => ask(session, "/")));
  expect(new Set(asked.map(({ code }) => code))).toEqual(new Set(["CERT_UNKNOWN"]));
});

test("of many, no more are looked up than is allowed; callers that are known are let in meanwhile", async () => {
  const { key, csr } = await freshRequest();
  const { sign } = stolenIssuer(ground.scene.home);
  const { spki } = codec.parseRequest(Buffer.from(csr));
  const stranger = async () => ({ key, cert: toPem("CERTIFICATE", await sign(spki)) });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() }); // which stands: as fast as can be
  const flood = await Promise.all(Array.from({ length: 100 }, async () => ground.connect(await stranger())));
  expect(await ground.answer(await stranger())).toBe("503 STATUS_UNAVAILABLE");
  expect(await ground.answer(ground.good)).toBe("200 acme");
  vi.setSystemTime(Date.now() + SECOND);
  expect(await ground.answer(await stranger())).toBe("403 CERT_UNKNOWN");
  for (const socket of flood) socket.destroy();
});
