import { writeFileSync } from "node:fs";
import type { Agent } from "node:https";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type ClientCredentials,
  type ClientFiles,
  type ClientOptions,
  CountersignError,
  createAgent,
} from "../../src/client/index.ts";
import { renewFiles } from "../../src/client/renewal/renew-files.ts";
import { renew } from "../../src/client/renewal/renew.ts";
import { DAY } from "../../src/domain/time.ts";
import { freshRequest } from "../support/client.ts";
import { cloneAlarms, enrolledFiles, heldBy, issuedTo } from "../support/client-files.ts";
import { eventually } from "../support/eventually.ts";
import { RenewalDoor } from "../support/renewal-door.ts";
import { ClientHeldTimers, enrolledClient, heard, seenAs } from "../support/renewing-client.ts";
import { sharedServer } from "../support/server.ts";
import { testWorkspace } from "../support/workspace.ts";

const server = sharedServer();

/** An agent, and what it has to tell. */
function agentFor(options: ClientOptions) {
  const [renewed, failed] = [heard<ClientCredentials>(), heard<CountersignError>()];
  const agent = createAgent({ ...options, onRenewed: renewed.call, onError: failed.call });
  onTestFinished(() => {
    agent.destroy();
  });
  return { agent, renewed: renewed.next, failed: failed.next };
}

const seen = (agent: Agent): Promise<unknown> => seenAs(server, agent);

async function filesOf(account: string): Promise<ClientFiles> {
  const { key, cert, ca } = await enrolledFiles(server, account);
  return { key, cert, ca };
}

/** Credentials in memory, and a way to their CA that can be disturbed. */
async function behindDoor(account: string) {
  const workspace = await testWorkspace();
  const credentials = await enrolledClient(server, account);
  const files = { key: workspace.file("key"), cert: workspace.file("crt"), ca: workspace.file("ca.crt") };
  for (const name of ["key", "cert", "ca"] as const) writeFileSync(files[name], credentials[name]);
  const door = await RenewalDoor.open(server, files);
  onTestFinished(() => door.close());
  return { credentials: { ...credentials, key: credentials.key, caUrl: door.url }, door };
}

describe("in memory", () => {
  test("after a lost answer the same CSR gets the same certificate; until then calls go on", async () => {
    const time = ClientHeldTimers.hold();
    const { credentials, door } = await behindDoor("lost");
    const { agent, renewed, failed } = agentFor({ credentials, clock: time.clock });
    door.mode = "loses answers";
    time.set(time.due);
    const error = await failed();
    expect(error).toBeInstanceOf(CountersignError);
    expect(error).toMatchObject({ name: "CountersignError", code: "SERVER_UNREACHABLE", status: 502 });
    expect(await seen(agent)).toBe(credentials.fingerprint);
    door.mode = "busy";
    time.pass(1);
    expect(await failed()).toMatchObject({ code: "UNAVAILABLE", status: 503 });
    door.mode = "open";
    time.pass(1);
    const { fingerprint } = await renewed();
    expect(await seen(agent)).toBe(fingerprint);
    expect([door.requests.length, door.mostRequests]).toEqual([3, 1]);
    expect(issuedTo(server.home, "lost").map((each) => each.fingerprint)).toEqual([
      credentials.fingerprint,
      fingerprint,
    ]);
    expect(cloneAlarms(server.home)).toBe(0);
  });

  test("a CA's certificate for another key is not taken", async () => {
    const time = ClientHeldTimers.hold();
    const { credentials, door } = await behindDoor("other-key");
    const { cert: chain } = await enrolledClient(server, "other-key");
    door.alter = (answer) => ({ ...answer, chain });
    const { agent, failed } = agentFor({ credentials, clock: time.clock });
    time.set(time.due);
    expect(await failed()).toMatchObject({
      code: "SERVER_UNTRUSTED",
      message: "The CA's certificate is for another key.",
    });
    expect(await seen(agent)).toBe(credentials.fingerprint);
  });

  test("all that have one credential renew it once, also who gets it later", async () => {
    const time = ClientHeldTimers.hold();
    const credentials = await enrolledClient(server, "shared");
    const [one, two] = [0, 1].map(() => agentFor({ credentials: { ...credentials }, clock: time.clock }));
    time.set(time.due);
    const [first, second] = await Promise.all([one?.renewed(), two?.renewed()]);
    expect(second?.fingerprint).toBe(first?.fingerprint);
    time.set(0);
    const { agent } = agentFor({ credentials, clock: time.clock });
    expect(await seen(agent)).toBe(first?.fingerprint);
    expect(issuedTo(server.home, "shared")).toHaveLength(2);
    expect(cloneAlarms(server.home)).toBe(0);
  });

  test("what somebody else has renewed with another CSR is told, and not tried again", async () => {
    const time = ClientHeldTimers.hold();
    const { credentials, door } = await behindDoor("copied");
    const { agent, failed } = agentFor({ credentials, clock: time.clock });
    const { key, cert, ca } = credentials;
    await renew(server.ca, { key, cert, ca }, (await freshRequest()).csr);
    time.set(time.due);
    expect(await failed()).toMatchObject({ code: "RENEWED_BEFORE", status: 409 });
    time.pass(2 * 60);
    expect(await seen(agent)).toBe("CERT_SUSPENDED");
    expect(door.requests).toHaveLength(1);
  });
});

describe("in files", () => {
  test("what somebody else renews is followed", async () => {
    const time = ClientHeldTimers.hold();
    const files = await filesOf("followed");
    const { agent, renewed } = agentFor({ files, renew: false, clock: time.clock });
    expect(await seen(agent)).toBe(heldBy(files));
    const { fingerprint } = await renewFiles({ caUrl: server.ca, files, force: true, clock: time.clock });
    time.pass(1);
    expect(await renewed()).toMatchObject({ fingerprint, files });
    expect(await seen(agent)).toBe(fingerprint);
    time.set(time.due);
    expect(await seen(agent)).toBe(fingerprint);
    expect(issuedTo(server.home, "followed")).toHaveLength(2);
  });

  test("several renew once, and the files have what they call with", async () => {
    const time = ClientHeldTimers.hold();
    const files = await filesOf("several");
    const agents = [0, 1, 2].map(() => agentFor({ files, caUrl: server.ca, clock: time.clock }));
    time.pass(18 * 60);
    const renewed = await Promise.all(agents.map((each) => each.renewed()));
    expect(new Set(renewed.map(({ fingerprint }) => fingerprint))).toEqual(new Set([heldBy(files)]));
    for (const { agent } of agents) expect(await seen(agent)).toBe(heldBy(files));
    expect(issuedTo(server.home, "several")).toHaveLength(2);
  });

  test("a renewal that was cut off when only the key was in its place is gone on with", async () => {
    const time = ClientHeldTimers.hold();
    const files = await filesOf("crashed");
    const alarms = cloneAlarms(server.home);
    const cut = renewFiles({
      ...{ caUrl: server.ca, files, force: true, clock: time.clock },
      onStep: (step) => {
        if (step === "key in place") throw new Error("cut off");
      },
    });
    await expect(cut).rejects.toThrow("cut off");
    const { agent, renewed } = agentFor({ files, caUrl: server.ca, clock: time.clock });
    const [, second] = issuedTo(server.home, "crashed");
    expect(await seen(agent)).toBe(second?.fingerprint);
    time.set(time.due);
    expect(await renewed()).toMatchObject({ fingerprint: heldBy(files) });
    expect(issuedTo(server.home, "crashed")).toHaveLength(3);
    expect(cloneAlarms(server.home)).toBe(alarms);
  });
});

describe("time", () => {
  test("passes although the clock was set back by a day", async () => {
    const time = ClientHeldTimers.hold();
    const credentials = await enrolledClient(server, "set-back");
    const { renewed } = agentFor({ credentials, clock: time.clock });
    time.set(-DAY);
    time.pass(14 * 60);
    expect(issuedTo(server.home, "set-back")).toHaveLength(1);
    time.pass(4 * 60);
    expect((await renewed()).fingerprint).not.toBe(credentials.fingerprint);
  });

  test("a clock that is a day ahead has nobody renew over and over", async () => {
    const time = ClientHeldTimers.hold();
    const credentials = await enrolledClient(server, "ahead");
    const { agent, renewed } = agentFor({ credentials, clock: time.clock });
    time.set(DAY + DAY);
    await renewed();
    for (let minute = 0; minute < 30; minute++) {
      time.pass(1);
      await seen(agent);
    }
    expect(issuedTo(server.home, "ahead").length).toBeLessThanOrEqual(3);
    expect(await seen(agent)).toBe(issuedTo(server.home, "ahead").at(-1)?.fingerprint);
  });

  test("nothing is waited for when the agent is destroyed", async () => {
    const time = ClientHeldTimers.hold();
    const { agent } = agentFor({ credentials: await enrolledClient(server, "ended"), clock: time.clock });
    expect(time.isAwaited).toBe(true);
    agent.destroy();
    await eventually(() => {
      expect(time.isAwaited).toBe(false);
    });
  });
});
