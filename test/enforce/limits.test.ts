import { once } from "node:events";
import { type TLSSocket, connect } from "node:tls";
import { beforeAll, describe, expect, test } from "vitest";
import { type TestAnswer, type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { command } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
let bystander: TestCredential;
beforeAll(async () => {
  bystander = await fresh("bystander");
});

async function fresh(account: string, ...flags: string[]): Promise<TestCredential> {
  const credential = await enrolled(server, await server.token(account));
  if (flags.length > 0) await server.admin("account", "update", account, ...flags);
  return credential;
}

const whoami = (agent: ReturnType<typeof keepAlive>): Promise<TestAnswer> =>
  call(`${server.enforce}/whoami`, { agent });

describe("a rate", () => {
  test("is let through in a burst, then refused, with headers that say so; nobody else is", async () => {
    const agent = keepAlive(await fresh("limited", "--rate", "2/1h"));
    const first = await whoami(agent);
    expect(first.status).toBe(200);
    expect(first.headers["ratelimit-policy"]).toBe('"account";q=2;w=3600');
    expect(first.headers["ratelimit"]).toBe('"account";r=1;t=1800');
    expect((await whoami(agent)).status).toBe(200);
    const refused = await whoami(agent);
    expect(refused).toMatchObject({ status: 429, reusedSocket: true, json: { code: "RATE_LIMITED" } });
    expect(refused.headers["ratelimit"]).toMatch(/^"account";r=0;t=3[56]\d\d$/);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(1700);
    const other = await whoami(keepAlive(bystander));
    expect(other.status).toBe(200);
    expect(other.headers["ratelimit"]).toBeUndefined();

    await server.admin("account", "update", "limited", "--rate", "");
    expect(await whoami(agent)).toMatchObject({ status: 200, reusedSocket: true });
    agent.destroy();
  });

  test("of one credential leaves the account's others alone", async () => {
    const [mine, other] = [await fresh("shared"), await fresh("shared")];
    await server.admin("credential", "update", mine.fingerprint, "--rate", "5/1h", "--burst", "1");
    const [one, two] = [keepAlive(mine), keepAlive(other)];
    expect((await whoami(one)).headers["ratelimit-policy"]).toBe('"credential";q=5;w=3600');
    expect((await whoami(one)).json["code"]).toBe("RATE_LIMITED");
    expect((await whoami(two)).status).toBe(200);
    for (const agent of [one, two]) agent.destroy();
  });
});

describe("connections at once", () => {
  async function open(credential: TestCredential): Promise<TLSSocket> {
    const { key, cert, ca } = credential;
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(server.enforce).port), key, cert, ca });
    socket.on("error", () => undefined);
    await once(socket, "secureConnect");
    return socket;
  }

  async function ask(socket: TLSSocket): Promise<string> {
    socket.write("GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    return answer.toString();
  }

  test("beyond the limit are refused and closed, until one of the others closes", async () => {
    const credential = await fresh("few", "--max-connections", "2");
    const [one, two] = [await open(credential), await open(credential)];
    expect(await ask(one)).toMatch(/^HTTP\/1\.1 200 /); // the first two have their places, asked or not
    const three = await open(credential);
    expect(await ask(three)).toMatch(/^HTTP\/1\.1 429 [^]*Connection: close[^]*CONNECTION_LIMIT/);
    await eventually(() => {
      expect(three.readableEnded || three.destroyed).toBe(true);
    });
    expect(await ask(two)).toMatch(/^HTTP\/1\.1 200 /);
    expect((await whoami(keepAlive(bystander))).status).toBe(200);
    one.destroy();
    await eventually(async () => {
      const four = await open(credential);
      expect(await ask(four)).toMatch(/^HTTP\/1\.1 200 /);
      four.destroy();
    });
    two.destroy();
  });

  test("are fewer from the next request on when the limit is lowered", async () => {
    const credential = await fresh("fewer");
    const sockets = [await open(credential), await open(credential), await open(credential)];
    for (const socket of sockets) expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200 /);
    await server.admin("account", "update", "fewer", "--max-connections", "1");
    const answers = [];
    for (const socket of sockets) answers.push((await ask(socket)).slice(9, 12));
    expect(answers.toSorted()).toEqual(["200", "429", "429"]);
    for (const socket of sockets) socket.destroy();
  });
});

test("a denied address is refused on an open connection, whatever is allowed", async () => {
  const agent = keepAlive(await fresh("moved", "--allow-ip", "127.0.0.0/8"));
  expect((await whoami(agent)).status).toBe(200);
  await server.admin("account", "update", "moved", "--deny-ip", "::ffff:127.0.0.0/104");
  expect(await whoami(agent)).toMatchObject({ reusedSocket: true, json: { code: "ADDRESS_NOT_ALLOWED" } });
  agent.destroy();
});

test("a credential's own addresses and scopes narrow its account's, on an open connection", async () => {
  const credential = await fresh("narrowed", "--scopes", "orders:read,orders:write");
  const agent = keepAlive(credential);
  await server.admin("credential", "update", credential.fingerprint, "--scopes", "orders:read");
  expect((await whoami(agent)).json["scopes"]).toEqual(["orders:read"]);
  await server.admin("credential", "update", credential.serial, "--all-scopes", "--allow-ip", "192.0.2.0/24");
  expect((await whoami(agent)).json["code"]).toBe("ADDRESS_NOT_ALLOWED");
  const shown = await server.admin("show", credential.fingerprint);
  expect(shown["limits"]).toMatchObject({ allowIps: ["192.0.2.0/24"], denyIps: [] });
  await server.admin("credential", "update", credential.fingerprint, "--allow-ip", "");
  const again = await whoami(agent);
  expect(again.json["scopes"]).toEqual(["orders:read", "orders:write"]);
  expect(again.reusedSocket).toBe(true);
  agent.destroy();
});

test("rate and burst are taken away together, also where there is none", async () => {
  const rateAfter = async (...args: string[]) =>
    (await server.admin("account", "update", "hurried", ...args))["rate"];
  await server.admin("account", "create", "hurried", "--rate", "5/1h", "--burst", "2");
  expect(await rateAfter("--burst", "")).toEqual({ requests: "5/1h", burst: 5 });
  expect(await rateAfter("--rate", "", "--burst", "")).toBeUndefined();
  expect(await rateAfter("--rate", "", "--burst", "")).toBeUndefined();
});

test("what has ended, is unknown or makes no sense changes nothing", async () => {
  const { fingerprint } = await fresh("ended");
  await server.admin("revoke", fingerprint);
  const refused = async (...args: string[]): Promise<unknown> => {
    const ran = await command([...args, "--home", server.home, "--json"]);
    return [ran.code, (JSON.parse(ran.stderr) as { code: string }).code];
  };
  expect(await refused("credential", "update", fingerprint, "--rate", "1/1s")).toEqual([
    1,
    "CREDENTIAL_ENDED",
  ]);
  expect(await refused("credential", "update", "0".repeat(64), "--rate", "1/1s")).toEqual([1, "NOT_FOUND"]);
  const mine = bystander.fingerprint;
  for (const [flag, value, code] of [
    ["--rate", "fast", "RATE_INVALID"],
    ["--burst", "3", "RATE_INVALID"],
    ["--max-connections", "0", "LIMIT_INVALID"],
    ["--deny-ip", "300.0.0.0/8", "CIDR_INVALID"],
  ] as const)
    expect(await refused("credential", "update", mine, flag, value)).toEqual([2, code]);
  expect((await server.admin("show", mine))["limits"]).toBeUndefined();
});
