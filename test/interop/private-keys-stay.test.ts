import { type KeyObject, createPrivateKey } from "node:crypto";
import { globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ClientCredentials, createAgent, enroll } from "../../src/client/index.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";
import { HOUR } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { call } from "../support/client.ts";
import { command } from "../support/command.ts";
import { freshHome } from "../support/fresh-home.ts";
import { tracesOf } from "../support/key-traces.ts";
import { type RecordingProxy, recordingProxy } from "../support/recording-proxy.ts";
import { heard, rootFingerprint } from "../support/renewing-client.ts";
import { type TestServer, serveHome } from "../support/server.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

const PASSPHRASE = "correct horse battery staple";

interface Scene {
  readonly workspace: Workspace;
  readonly server: TestServer;
  readonly ca: RecordingProxy;
  readonly enforce: RecordingProxy;
  /** What clients have printed. */
  readonly printed: string[];
  /** Every key that there was. */
  readonly keys: Map<string, KeyObject>;
}

test("no private key is in what crosses the wire, in a log, or in the server's files", async () => {
  const scene = await begin();
  await inFiles(scene, "ec-p256", []);
  const p12 = [
    "--out-p12",
    scene.workspace.file("p12"),
    "--p12-password-file",
    scene.workspace.file("passphrase"),
  ];
  await inFiles(scene, "rsa-2048", [], p12);
  await inFiles(scene, "ed25519", ["--passphrase-file", scene.workspace.file("passphrase")]);
  await inFiles(scene, "ml-dsa-44", []);
  await inMemory(scene, "ec-p384");
  const { workspace, server, ca, enforce, printed, keys } = scene;
  expect(keys.size).toBe(4 * 2 + 2);

  const places = new Map<string, Buffer>(filesOf(workspace.file("home"), "while it runs: "));
  await server.stop();
  for (const [name, octets] of filesOf(workspace.file("home"), "stopped: ")) places.set(name, octets);
  const received = readFileSync(workspace.file("received"));
  places.set("received, decrypted", received);
  places.set("the wire to the CA", ca.recorded());
  places.set("the wire to the service", enforce.recorded());
  places.set("the server's log", Buffer.from(server.log()));
  places.set("what clients print", Buffer.from(printed.join("")));

  for (const sent of [
    "Bearer cst_",
    "POST /v1/certificates/renew",
    "GET /whoami",
    "BEGIN CERTIFICATE REQUEST",
  ])
    expect(received.includes(sent), sent).toBe(true);
  expect([...places.keys()]).toEqual(expect.arrayContaining(["while it runs: countersign.sqlite-wal"]));
  const found = [...keys].flatMap(([key, value]) =>
    [...places].flatMap(([place, octets]) =>
      tracesOf(value, octets).map((form) => `${key}: ${form} in ${place}`),
    ),
  );
  expect(found).toEqual([]);
  const passphrases = [...places].filter(([, octets]) => octets.includes(PASSPHRASE));
  expect(passphrases.map(([place]) => place)).toEqual([]);
});

describe("the search finds", () => {
  const types: readonly KeyType[] = ["ec-p256", "ec-p384", "ed25519", "rsa-2048", "ml-dsa-44"];
  const pem = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" });
  const written: Readonly<Record<string, (key: KeyObject) => string | Buffer>> = {
    "a PEM": pem,
    "a PEM in JSON": (key) => JSON.stringify({ key: pem(key) }),
    "a PEM without line ends": (key) => pem(key).replaceAll("\n", ""),
    "a DER": (key) => key.export({ format: "der", type: "pkcs8" }),
    "a DER in hex": (key) => key.export({ format: "der", type: "pkcs8" }).toString("hex"),
    "a DER in hex with colons": (key) =>
      (key.export({ format: "der", type: "pkcs8" }).toString("hex").toUpperCase().match(/../g) ?? []).join(
        ":",
      ),
    "a JWK": (key) => JSON.stringify(key.export({ format: "jwk" })),
  };
  test.each(types)("a key of type %s, however it is written, and no other", async (type) => {
    const [planted, other] = await Promise.all([makeKeyPair(type), makeKeyPair(type)]);
    for (const [form, write] of Object.entries(written)) {
      for (const before of ["", "x", "xy"]) {
        const inBetween = Buffer.concat([
          Buffer.from(before),
          Buffer.from(write(planted.privateKey)),
          Buffer.from("z"),
        ]);
        expect(tracesOf(planted.privateKey, inBetween), form).not.toEqual([]);
        expect(tracesOf(other.privateKey, inBetween), form).toEqual([]);
        const encoded = Buffer.from(inBetween.toString("base64"));
        if (form === "a DER")
          expect(tracesOf(planted.privateKey, encoded), `${form} in base64`).not.toEqual([]);
      }
    }
  });
});

/** A server that records what it decrypts, behind proxies that record what they pass on. */
async function begin(): Promise<Scene> {
  const workspace = await testWorkspace();
  await freshHome(workspace.file("home"));
  writeFileSync(workspace.file("received"), "");
  writeFileSync(workspace.file("passphrase"), PASSPHRASE, { mode: 0o600 });
  const recorder = join(import.meta.dirname, "..", "support", "decrypted-recorder.ts");
  const env = { NODE_OPTIONS: `--import=${recorder}`, RECORD_DECRYPTED_IN: workspace.file("received") };
  const server = await serveHome(workspace, { env });
  const [ca, enforce] = await Promise.all([recordingProxy(server.ca), recordingProxy(server.enforce)]);
  onTestFinished(async () => {
    await Promise.all([ca.close(), enforce.close(), server.kill()]);
  });
  return { workspace, server, ca, enforce, printed: [], keys: new Map() };
}

/** Enrols with the command, renews with the same key and then with another, and calls with each certificate. */
async function inFiles(
  scene: Scene,
  type: KeyType,
  passphrase: readonly string[],
  onlyToEnrol: readonly string[] = [],
): Promise<void> {
  const { workspace, server, ca, enforce, keys } = scene;
  const file = (kind: string): string => workspace.file(`${type}.${kind}`);
  writeFileSync(file("token"), await server.token(type), { mode: 0o600 });
  const files = ["--key", file("key"), "--cert", file("crt"), "--ca", file("ca.crt"), ...passphrase];
  const at = ["--ca-url", ca.url, ...files];
  const whoami = (): Promise<void> => tell(scene, ["whoami", enforce.url, ...files]);
  const keep = (name: string): void => {
    keys.set(`${name} ${type}`, createPrivateKey({ key: readFileSync(file("key")), passphrase: PASSPHRASE }));
  };
  const enrolling = [
    "--fingerprint",
    rootFingerprint(server),
    "--token-file",
    file("token"),
    "--key-type",
    type,
  ];
  await tell(scene, ["enroll", ...at, ...enrolling, ...onlyToEnrol]);
  keep("first");
  await whoami();
  await tell(scene, ["renew", ...at, "--force", "--same-key"]);
  await whoami();
  await tell(scene, ["renew", ...at, "--force"]);
  keep("second");
  await whoami();
}

async function inMemory({ server, ca, enforce, keys }: Scene, type: KeyType): Promise<void> {
  const token = await server.token(type);
  const credentials = await enroll({
    ...{ caUrl: ca.url, fingerprint: rootFingerprint(server), token, keyType: type },
  });
  const renewed = heard<ClientCredentials>();
  const clock = { now: () => Date.now() + 18 * HOUR }; // it is due, but has not ended
  const agent = createAgent({ credentials, clock, onRenewed: renewed.call });
  onTestFinished(() => {
    agent.destroy();
  });
  await call(`${enforce.url}/whoami`, { agent });
  for (const { key } of [credentials, await renewed.next()])
    keys.set(`${String(keys.size)} ${type}`, createPrivateKey(key));
  expect((await call(`${enforce.url}/whoami`, { agent })).status).toBe(200);
}

/** Runs a command that has to succeed. */
async function tell({ printed }: Scene, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await command(args);
  printed.push(stdout, stderr);
  expect(code, stdout + stderr).toBe(0);
}

function filesOf(folder: string, prefix: string): (readonly [string, Buffer])[] {
  return globSync("**/*", { cwd: folder })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => [`${prefix}${name}`, readFileSync(join(folder, name))] as const);
}
