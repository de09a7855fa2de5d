import { type MockInstance, afterEach, beforeAll, expect, test, vi } from "vitest";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import * as decision from "../../src/domain/decision.ts";
import type { Issuer } from "../../src/domain/ports.ts";
import type { Trials } from "../../src/domain/trial.ts";
import { listenerFaults } from "../../src/enforce/self-test.ts";
import { mintTrials, signerFaults } from "../../src/home/self-test.ts";
import { readPassword, systemClock } from "../../src/home/open.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { startServer } from "../../src/main.ts";
import { freshHome } from "../support/fresh-home.ts";
import { makeIssuer, testLogger } from "../support/issuing.ts";
import { testWorkspace } from "../support/workspace.ts";

vi.mock("../../src/domain/decision.ts", { spy: true });
const decide = decision.decide as unknown as MockInstance<typeof decision.decide>;
const { decide: original } = await vi.importActual<typeof decision>("../../src/domain/decision.ts");
afterEach(() => {
  decide.mockRestore();
});

let trials: Trials;
beforeAll(async () => {
  trials = await mintTrials(systemClock);
});

/** A decision that errs in one case. */
function broken(code: string): void {
  decide.mockImplementation((question) => {
    const decided = original(question);
    const caller = { account: "self-test", scopes: [], notAfter: 0 } as unknown as decision.Caller;
    return !decided.allowed && decided.code === code ? { allowed: true, caller } : decided;
  });
}

test("a listener that decides rightly has no faults, and an issuer that signs rightly neither", async () => {
  expect(await listenerFaults(trials, systemClock)).toEqual([]);
  expect(await signerFaults([await makeIssuer()])).toEqual([]);
});

test.each([
  ["CERT_REQUIRED", "a caller without a certificate was answered ALLOWED, not CERT_REQUIRED"],
  ["CERT_UNTRUSTED", "a caller of another CA was answered ALLOWED, not CERT_UNTRUSTED"],
  ["CERT_UNKNOWN", "a caller that is not on record was answered ALLOWED, not CERT_UNKNOWN"],
  ["CERT_EXPIRED", "a caller that has expired was answered ALLOWED, not CERT_EXPIRED"],
  ["CERT_SUSPENDED", "a caller that is suspended was answered ALLOWED, not CERT_SUSPENDED"],
])("one that lets in what is %s has that fault", async (code, fault) => {
  broken(code);
  expect(await listenerFaults(trials, systemClock)).toEqual([fault]);
});

test("one that goes on letting in who was revoked has that fault", async () => {
  broken("CERT_REVOKED");
  let now = Date.now();
  const hurried = { now: () => (now += 1000) };
  expect(await listenerFaults(trials, hurried)).toEqual([
    "a revoked caller was answered ALLOWED on its open connection",
  ]);
});

test("one that lets nobody in has that fault", async () => {
  decide.mockImplementation(() => ({
    allowed: false,
    code: "CERT_UNKNOWN",
    fingerprint: undefined,
    account: undefined,
  }));
  expect(await listenerFaults(trials, systemClock)).toContain(
    "a caller in good standing was answered CERT_UNKNOWN",
  );
});

test("an issuer whose signatures do not verify, or that does not sign, has that fault", async () => {
  const issuer = await makeIssuer();
  const signer = memorySigner((await makeKeyPair("ec-p256")).privateKey);
  const failing = { ...signer, sign: () => Promise.reject(new Error("no token in the slot")) };
  const faulty = (by: Issuer["signer"]): Issuer => ({ ...issuer, signer: by });
  const fault = `what the issuer ${issuer.id} signs does not verify`;
  expect(await signerFaults([faulty(signer), issuer, faulty(failing)])).toEqual([fault, fault]);
});

test("a server that fails it does not listen", async () => {
  const home = (await testWorkspace()).file("home");
  await freshHome(home);
  const listen = { ca: "127.0.0.1:0", enforce: "127.0.0.1:0", public: "127.0.0.1:0", metrics: "127.0.0.1:0" };
  const config = resolveConfig(home, { listen }, {}, readConfigFile(home));
  const start = () => startServer(config, readPassword(home, undefined, {}), testLogger());
  broken("CERT_UNKNOWN");
  await expect(start()).rejects.toMatchObject({
    code: "SELF_TEST_FAILED",
    message: "The self-test failed: a caller that is not on record was answered ALLOWED, not CERT_UNKNOWN.",
  });
  decide.mockRestore();
  const running = await start();
  expect(running.listening.ca).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  await running.stop();
});
