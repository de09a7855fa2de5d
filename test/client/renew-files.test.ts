import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { enrollToFiles } from "../../src/client/enrol/enroll-files.ts";
import { openKey, requestOf } from "../../src/client/files/key-files.ts";
import { type RenewFiles, renewFiles } from "../../src/client/renewal/renew-files.ts";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { fingerprintOf, parseFingerprint } from "../../src/domain/identifiers.ts";
import { HOUR } from "../../src/domain/time.ts";
import { parseToken } from "../../src/domain/token.ts";
import { encryptPrivateKey } from "../../src/x509/private-key.ts";
import { call, freshRequest } from "../support/client.ts";
import { type ClientFolder, cloneAlarms, enrolledFiles, heldBy } from "../support/client-files.ts";
import { expectRefusal } from "../support/issuing.ts";
import { stolenIssuer } from "../support/own-issuer.ts";
import { RenewalDoor } from "../support/renewal-door.ts";
import { rootFingerprint } from "../support/renewing-client.ts";
import { sharedServer } from "../support/server.ts";
import { testWorkspace } from "../support/workspace.ts";
import { codec } from "../../src/x509/codec.ts";
import { toPem } from "../../src/x509/pem.ts";

const server = sharedServer();
const clock = { now: () => Date.now() };

function renewing(files: ClientFolder, changes: Partial<RenewFiles> = {}) {
  return renewFiles({ caUrl: server.ca, files, clock, ...changes });
}

async function doorOf(files: ClientFolder): Promise<RenewalDoor> {
  const door = await RenewalDoor.open(server, files);
  onTestFinished(() => door.close());
  return door;
}

const names = ({ path }: ClientFolder): string[] => readdirSync(path).sort();
const settled = ["ca.crt", "client.crt", "client.key"];

describe("a credential in files", () => {
  test("is left alone until it is due, and then renewed, with another key of the same type", async () => {
    const files = await enrolledFiles(server);
    const before = { fingerprint: heldBy(files), key: readFileSync(files.key) };
    const left = await renewing(files);
    expect(left).toMatchObject({ renewed: false, fingerprint: before.fingerprint });
    expect(left.dueAt - Date.now()).toBeGreaterThan(14 * HOUR);
    expect(left.dueAt - Date.now()).toBeLessThan(18 * HOUR);
    expect(left.notAfter - Date.now()).toBeGreaterThan(23 * HOUR);

    const renewed = await renewing(files, { clock: { now: () => left.dueAt } });
    expect(renewed).toMatchObject({ renewed: true, fingerprint: heldBy(files) });
    expect(renewed.fingerprint).not.toBe(before.fingerprint);
    expect(readFileSync(files.key)).not.toEqual(before.key);
    expect(createPrivateKey(readFileSync(files.key)).asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(statSync(files.key).mode & 0o777).toBe(0o600);
    expect(names(files)).toEqual(settled);
    const tls = { key: readFileSync(files.key), cert: readFileSync(files.cert), ca: readFileSync(files.ca) };
    expect((await call(`${server.enforce}/whoami`, { tls })).json).toMatchObject({ account: "acme" });
  });

  test("keeps its key when that is wanted", async () => {
    const files = await enrolledFiles(server);
    const key = readFileSync(files.key);
    expect(await renewing(files, { force: true, sameKey: true })).toMatchObject({ renewed: true });
    expect(readFileSync(files.key)).toEqual(key);
    heldBy(files);
    expect(names(files)).toEqual(settled);
  });

  test("that is encrypted stays so, with its passphrase", async () => {
    const files = await enrolledFiles(server);
    const passphrase = "a long one";
    writeFileSync(files.key, await encryptPrivateKey(createPrivateKey(readFileSync(files.key)), passphrase));
    await expectRefusal(renewing(files, { force: true }), "PASSWORD_REQUIRED");
    await expectRefusal(renewing(files, { force: true, passphrase: "another" }), "PASSWORD_WRONG");
    expect(names(files)).toEqual(settled);
    const { fingerprint } = await renewing(files, { force: true, passphrase });
    expect(readFileSync(files.key, "latin1")).toContain("BEGIN ENCRYPTED PRIVATE KEY");
    expect(heldBy(files, passphrase)).toBe(fingerprint);
  });

  test("can be read afterwards by those who could before, but its key never by everybody", async () => {
    const files = await enrolledFiles(server);
    const modes = () => [files.key, files.cert].map((path) => (statSync(path).mode & 0o777).toString(8));
    for (const [key, cert, then] of [
      [0o640, 0o644, ["640", "644"]],
      [0o666, 0o640, ["640", "640"]],
      [0o600, 0o600, ["600", "600"]],
    ] as const) {
      chmodSync(files.key, key);
      chmodSync(files.cert, cert);
      await renewing(files, { force: true });
      expect(modes()).toEqual(then);
    }
    if (process.getuid?.() !== 0) return; // nobody else can give files away
    chownSync(files.key, 1234, 2345);
    await renewing(files, { force: true });
    expect(statSync(files.key)).toMatchObject({ uid: 1234, gid: 2345 });
  });

  test("is renewed where a link leads, under either name", async () => {
    const files = await enrolledFiles(server);
    const links = { ...files, key: join(files.path, "link.key"), cert: join(files.path, "link.crt") };
    symlinkSync(files.key, links.key);
    symlinkSync(files.cert, links.cert);
    const { fingerprint } = await renewing(links, { force: true });
    expect(heldBy(files)).toBe(fingerprint);
    expect(heldBy(links)).toBe(fingerprint);
  });
});

describe("what was begun is ended with the same CSR", () => {
  test.each([false, true])("after a lost answer, whatever is wanted then; same key: %j", async (sameKey) => {
    const files = await enrolledFiles(server);
    const before = heldBy(files);
    const door = await doorOf(files);
    door.mode = "loses answers";
    await expectRefusal(renewing(files, { caUrl: door.url, force: true, sameKey }), "SERVER_UNREACHABLE");
    expect(heldBy(files)).toBe(before);
    door.mode = "open";
    const ended = await renewing(files, { caUrl: door.url, sameKey: !sameKey });
    expect(ended).toMatchObject({ renewed: true, fingerprint: heldBy(files) });
    expect(door.requests).toHaveLength(2);
    expect(door.mostRequests).toBe(1);
    expect(names(files)).toEqual(settled);
    expect(cloneAlarms(server.home)).toBe(0);
  });

  test("a stored answer that is garbled is asked for again", async () => {
    const files = await enrolledFiles(server);
    const door = await doorOf(files);
    door.mode = "loses answers";
    await expect(renewing(files, { caUrl: door.url, force: true })).rejects.toThrow();
    writeFileSync(`${files.cert}.next`, readFileSync(files.ca));
    door.mode = "open";
    expect(await renewing(files, { caUrl: door.url })).toMatchObject({ fingerprint: heldBy(files) });
    expect([door.requests.length, door.mostRequests]).toEqual([2, 1]);
    expect(names(files)).toEqual(settled);
  });

  test("but what is of another certificate, or of no use and never sent, is thrown away", async () => {
    const files = await enrolledFiles(server);
    const { key, csr } = await freshRequest();
    writeFileSync(`${files.key}.next`, key);
    writeFileSync(`${files.key}.next.csr`, `Renews: ${"ab".repeat(32)}\n${csr}`);
    writeFileSync(`${files.cert}.next`, readFileSync(files.cert));
    writeFileSync(`${files.key}.next.0123456789ab.tmp`, "half a key");
    expect(await renewing(files)).toMatchObject({ renewed: false });
    expect(names(files)).toEqual(settled);
    writeFileSync(`${files.key}.next`, "not a key");
    expect(await renewing(files, { force: true })).toMatchObject({
      renewed: true,
      fingerprint: heldBy(files),
    });
    expect(names(files)).toEqual(settled);
  });

  test.each([
    ["is garbled", (csr: string) => csr.slice(9)],
    ["is of another key", async (csr: string) => csr.slice(0, 73) + (await freshRequest()).csr],
  ])("and when the CSR %s, none is made anew", async (_name, change) => {
    const files = await enrolledFiles(server);
    const door = await doorOf(files);
    door.mode = "busy";
    await expectRefusal(renewing(files, { caUrl: door.url, force: true }), "UNAVAILABLE");
    const path = `${files.key}.next.csr`;
    writeFileSync(path, await change(readFileSync(path, "latin1")));
    await expectRefusal(renewing(files, { caUrl: door.url, force: true }), "FILE_UNREADABLE");
    expect(door.requests).toHaveLength(1);
    expect(existsSync(path)).toBe(true);
  });

  test("nor when its key has gone", async () => {
    const files = await enrolledFiles(server);
    const door = await doorOf(files);
    door.mode = "busy";
    await expectRefusal(renewing(files, { caUrl: door.url, force: true }), "UNAVAILABLE");
    rmSync(`${files.key}.next`);
    await expect(renewing(files, { caUrl: door.url })).rejects.toThrow(
      `${files.key}.next, the key of ${files.key}.next.csr, has gone. The CA may have been sent one already`,
    );
    expect(door.requests).toHaveLength(1);
  });
});

describe("enrolling again in the place of a credential whose pending CSR is garbled", () => {
  async function garbled() {
    const files = await enrolledFiles(server);
    const csr = `${files.key}.next.csr`;
    for (const path of [csr, `${files.key}.next`, `${files.cert}.next`, `${files.cert}.told`])
      writeFileSync(path, "x\n");
    const message = `${csr} is garbled. The CA may have been sent one already, so none is made anew: move ${files.key} and ${files.cert} away, and enrol again.`;
    await expectRefusal(renewing(files), "FILE_UNREADABLE", message);
    for (const path of [files.key, files.cert]) renameSync(path, `${path}.old`);
    return { files, csr };
  }
  const enrolAgain = async (files: ClientFolder) =>
    enrollToFiles({
      ...{
        caUrl: server.ca,
        fingerprint: parseFingerprint(rootFingerprint(server)),
        token: parseToken(await server.token("acme")),
      },
      ...{ files, keyType: "ec-p256", passphrase: undefined },
    });

  test("leaves nothing of it", async () => {
    const { files } = await garbled();
    await enrolAgain(files);
    expect(names(files).filter((name) => !name.endsWith(".old"))).toEqual(settled);
    expect(await renewing(files, { force: true })).toMatchObject({
      renewed: true,
      fingerprint: heldBy(files),
    });
  });

  test("is ended by the renewal when it was cut short, and by none of an earlier key", async () => {
    const { files, csr } = await garbled();
    await enrolAgain(files);
    writeFileSync(csr, "x\n");
    writeFileSync(`${files.key}.csr`, (await freshRequest()).csr);
    await expectRefusal(renewing(files), "FILE_UNREADABLE");
    writeFileSync(`${files.key}.csr`, await requestOf(openKey(files.key, undefined)));
    expect(await renewing(files)).toMatchObject({ renewed: false });
    expect(existsSync(csr)).toBe(false);
  });
});

describe("whoever may write to the folder, but read nothing there, has no key of theirs certified", () => {
  test("by a next key without a CSR", async () => {
    const files = await enrolledFiles(server);
    const planted = (await freshRequest()).key;
    writeFileSync(`${files.key}.next`, planted, { mode: 0o600 });
    await renewing(files, { force: true });
    expect(readFileSync(files.key, "latin1")).not.toBe(planted);
    heldBy(files);
  });

  test.each<[string, boolean, (path: string) => void]>([
    [
      "by one with a CSR, which others may write to",
      true,
      (path) => {
        chmodSync(path, 0o666);
      },
    ],
    [
      "by one with a CSR, which is another user's",
      process.getuid?.() === 0,
      (path) => {
        chownSync(path, 1234, 2345);
      },
    ],
  ])("%s", async (_name, canBe, plant) => {
    if (!canBe) return;
    const files = await enrolledFiles(server);
    const door = await doorOf(files);
    const { key, csr } = await freshRequest();
    writeFileSync(`${files.key}.next`, key, { mode: 0o600 });
    writeFileSync(`${files.key}.next.csr`, `Renews: ${heldBy(files)}\n${csr}`);
    plant(`${files.key}.next`);
    await expectRefusal(
      renewing(files, { caUrl: door.url, force: true }),
      "FILE_UNREADABLE",
      `${files.key}.next belongs to another user, or others may write to it. Find out who has put it there, and enrol again.`,
    );
    expect(door.requests).toEqual([]);
    if (process.getuid?.() !== 0) return;
    chmodSync(`${files.key}.next`, 0o600);
    for (const path of [files.key, `${files.key}.next`]) chownSync(path, 1234, 2345); // a daemon's, for another user
    expect(await renewing(files, { caUrl: door.url })).toMatchObject({ renewed: true });
    expect(readFileSync(files.key, "latin1")).toBe(key);
  });
});

test("an answer that is not ours to have replaces nothing", async () => {
  const files = await enrolledFiles(server);
  const [before, key] = [heldBy(files), readFileSync(files.key)];
  const door = await doorOf(files);
  door.mode = "busy";
  await expectRefusal(renewing(files, { caUrl: door.url, force: true }), "UNAVAILABLE");
  door.mode = "open";
  const { issuer, sign } = stolenIssuer(server.home);
  const spkiOf = (csr = "") => codec.parseRequest(Buffer.from(csr)).spki;
  const [ours, other] = [spkiOf(door.requests[0]?.csr), spkiOf((await freshRequest()).csr)];
  const leaf = async (spki: Uint8Array, commonName: string) =>
    toPem("CERTIFICATE", await sign(spki, { commonName }));
  const ca = toPem("CERTIFICATE", issuer.der);
  for (const [message, chain] of [
    ["is for another key", (await leaf(other, "acme")) + ca],
    ["is for somebody else", (await leaf(ours, "ghost")) + ca],
    ["does not lead to the root", await leaf(ours, "acme")],
    ["does not lead to the root", (await leaf(ours, "acme")) + readFileSync(files.cert, "latin1") + ca],
    ["does not lead to the root", "no certificate"],
  ] as const) {
    door.alter = (answer) => ({ ...answer, chain });
    await expectRefusal(
      renewing(files, { caUrl: door.url }),
      "SERVER_UNTRUSTED",
      `The CA's certificate ${message}${message.endsWith("root") ? " that is trusted here" : ""}.`,
    );
    expect([heldBy(files), readFileSync(files.key)]).toEqual([before, key]);
  }
  door.alter = (answer) => answer;
  expect(await renewing(files, { caUrl: door.url })).toMatchObject({ renewed: true });
  expect(door.mostRequests).toBe(1);
});

test.each<[string, ErrorCode, (files: ClientFolder) => void]>([
  [
    "a key that is of another certificate",
    "FILE_UNREADABLE",
    ({ key }) => {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      writeFileSync(key, privateKey.export({ format: "pem", type: "pkcs8" }));
    },
  ],
  [
    "a key that is none",
    "FILE_UNREADABLE",
    ({ key }) => {
      writeFileSync(key, "not a key");
    },
  ],
  [
    "a folder where the key should be",
    "FILE_UNREADABLE",
    ({ key }) => {
      rmSync(key);
      mkdirSync(key);
    },
  ],
  [
    "no certificate",
    "FILE_UNREADABLE",
    ({ cert }) => {
      rmSync(cert);
    },
  ],
  [
    "a root that is none",
    "FILE_UNREADABLE",
    ({ ca }) => {
      writeFileSync(ca, "no root");
    },
  ],
])("%s is refused before anything is sent", async (_name, code, spoil) => {
  const files = await enrolledFiles(server);
  const door = await doorOf(files);
  spoil(files);
  await expectRefusal(renewing(files, { caUrl: door.url, force: true }), code);
  expect(door.requests).toEqual([]);
  expect(names(files).filter((name) => name.includes("next") || name.includes("lock"))).toEqual([]);
});

test("several at once renew one after the other, and of those who find it renewed none does so again", async () => {
  const files = await enrolledFiles(server);
  const door = await doorOf(files);
  const overdue = (await renewing(files)).fingerprint;
  const all = await Promise.all(
    Array.from({ length: 4 }, () => renewing(files, { caUrl: door.url, overdue })),
  );
  expect(all.filter(({ renewed }) => renewed)).toHaveLength(1);
  expect(new Set(all.map(({ fingerprint }) => fingerprint))).toEqual(new Set([heldBy(files)]));
  expect(door.requests).toHaveLength(1);
});

test("with its lock broken, whoever comes second sends the same CSR, and whoever is too late changes nothing", async () => {
  const files = await enrolledFiles(server);
  const door = await doorOf(files);
  const overtaken = Promise.withResolvers<unknown>();
  const breaks = renewing(files, {
    ...{ caUrl: door.url, force: true },
    onStep(step) {
      if (step !== "request stored") return;
      rmSync(`${files.key}.lock`);
      door.held = overtaken.promise;
    },
  });
  await expect.poll(() => door.requests.length).toBe(1);
  door.held = undefined;
  const { fingerprint } = await renewing(files, { caUrl: door.url });
  overtaken.resolve(undefined);
  await expectRefusal(breaks, "UNAVAILABLE");
  expect(heldBy(files)).toBe(fingerprint);
  expect([door.requests.length, door.mostRequests]).toEqual([2, 1]);
  expect(names(files)).toEqual(settled);
});

test.each(["ed25519", "rsa-2048"] as const)(
  "a copied folder that keeps its key of type %s is found out, though its signatures are deterministic",
  async (keyType) => {
    const { file } = await testWorkspace();
    const [here, copy] = ["here", "copy"].map((name) => ({
      ...{ path: file(name), key: file(`${name}/client.key`) },
      ...{ cert: file(`${name}/client.crt`), ca: file(`${name}/ca.crt`) },
    })) as [ClientFolder, ClientFolder];
    mkdirSync(here.path);
    const token = await server.token(`copied-${keyType}`);
    const ca = {
      caUrl: server.ca,
      fingerprint: fingerprintOf(new X509Certificate(readFileSync(server.root)).raw),
      token,
    };
    await enrollToFiles({ ...ca, files: here, keyType, passphrase: undefined });
    cpSync(here.path, copy.path, { recursive: true });
    const alarms = cloneAlarms(server.home);
    await renewing(copy, { force: true, sameKey: true });
    await expectRefusal(renewing(here, { force: true, sameKey: true }), "RENEWED_BEFORE");
    expect(cloneAlarms(server.home)).toBe(alarms + 1);
    await expectRefusal(renewing(copy, { force: true, sameKey: true }), "CERT_SUSPENDED");
  },
);
