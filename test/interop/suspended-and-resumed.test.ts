import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import type { Agent } from "node:https";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { HOLD, REMOVED } from "../../src/domain/revocation.ts";
import { issuerIdOf } from "../../src/x509/codec.ts";
import { type TestAnswer, type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { type JudgedCrl, judgedCrl } from "../support/crls.ts";
import { eventually } from "../support/eventually.ts";
import { certId, named, readSigned, requestOf } from "../support/ocsp.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { sharedServer } from "../support/server.ts";

// A suspension and its end, as everybody sees them: the caller itself, over real TLS, and whoever reads CRLs, deltas and OCSP.

const server = sharedServer();
let ca: string;
let issuer: Buffer;
beforeAll(() => {
  const file = join(server.home, "certs/issuer.crt");
  issuer = new X509Certificate(readFileSync(file)).raw;
  ca = server.workspace.file("chain.pem");
  writeFileSync(ca, readFileSync(file, "latin1") + readFileSync(server.root, "latin1"));
});

const whoami = (agent: Agent): Promise<TestAnswer> => call(`${server.enforce}/whoami`, { agent });

async function crls(): Promise<Record<"full" | "delta", JudgedCrl>> {
  const get = async (name: string): Promise<JudgedCrl> => {
    const answer = await fetch(`${server.public}/crl/${name}.crl`);
    return judgedCrl(Buffer.from(await answer.arrayBuffer()), ca);
  };
  const id = issuerIdOf(issuer);
  return { full: await get(id), delta: await get(`${id}-delta`) };
}

/** The first ones after that number, full and delta of the same one. */
function crlsAfter(number: number): Promise<Record<"full" | "delta", JudgedCrl>> {
  return eventually(async () => {
    const both = await crls();
    expect(both.full.number).toBeGreaterThan(number);
    expect(both.delta.number).toBe(both.full.number);
    return both;
  });
}

/** Reasons that a list has of it; none when it isn't there. */
const saidOf = ({ serial }: TestCredential, { entries }: JudgedCrl): (number | undefined)[] =>
  entries.filter((entry) => entry.serial === serial).map(({ reason }) => reason);

async function ocsp({ serial }: TestCredential) {
  const body = requestOf([certId(named(issuer), serial)]);
  const headers = { "Content-Type": "application/ocsp-request" };
  const answer = await fetch(`${server.public}/ocsp`, { method: "POST", headers, body });
  return readSigned(Buffer.from(await answer.arrayBuffer())).singles[0]?.status;
}

test.each([
  ["a certificate", "CERT_SUSPENDED", [], ({ fingerprint }: TestCredential) => fingerprint],
  ["an account", "ACCOUNT_SUSPENDED", ["account"], () => "account"],
] as const)(
  "%s is refused, and served again, on one connection; everybody is told",
  async (name, code, command, id) => {
    const account = name.slice(name.indexOf(" ") + 1);
    const [token = "", other = ""] = [
      ...(await makeTokens(server.home, account, 1)),
      ...(await makeTokens(server.home, `${account}-bystander`, 1)),
    ];
    const [held, spared] = [await enrolled(server, token), await enrolled(server, other)];
    const [agent, bystander] = [keepAlive(held), keepAlive(spared)];
    const [first, theirs] = [await whoami(agent), await whoami(bystander)];
    expect([first.status, theirs.status]).toEqual([200, 200]);
    expect(await ocsp(held)).toBe("good");
    const before = (await crls()).full.number;

    const since = Math.floor(Date.now() / 1000) * 1000;
    await admin(server.home, ...command, "suspend", id(held));
    const refused = await whoami(agent);
    expect(refused).toMatchObject({ status: 403, json: { code }, reusedSocket: true });
    expect(refused.localPort).toBe(first.localPort);
    expect(refused.headers["connection"]).not.toBe("close");
    expect(await ocsp(held)).toMatchObject({ reason: HOLD });
    const listed = await crlsAfter(before);
    expect(saidOf(held, listed.full)).toEqual([HOLD]);
    expect(saidOf(held, listed.delta)).toEqual([HOLD]);
    const { at } = listed.full.entries.find(({ serial }) => serial === held.serial) ?? { at: 0 };
    expect(at).toBeGreaterThanOrEqual(since);
    expect(await ocsp(held)).toEqual({ at: new Date(at).toISOString(), reason: HOLD });

    await admin(server.home, ...command, "resume", id(held));
    const served = await whoami(agent);
    expect(served).toMatchObject({ status: 200, json: { account }, reusedSocket: true });
    expect(served.localPort).toBe(first.localPort);
    expect(await ocsp(held)).toBe("good");
    const next = await crlsAfter(listed.full.number);
    expect(saidOf(held, next.full)).toEqual([]);
    expect(saidOf(held, next.delta)).toEqual([REMOVED]);

    // Nobody else noticed.
    const after = await whoami(bystander);
    expect(after).toMatchObject({ status: 200, reusedSocket: true, localPort: theirs.localPort });
    for (const { full, delta } of [listed, next])
      expect([...saidOf(spared, full), ...saidOf(spared, delta)]).toEqual([]);
    expect(await ocsp(spared)).toBe("good");
    agent.destroy();
    bystander.destroy();
  },
);
