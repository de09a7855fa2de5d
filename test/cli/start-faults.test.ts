import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEnforcer } from "../../src/index.ts";
import { changeConfig } from "../support/change-config.ts";
import { expectEachOnce, spoilConfig } from "../support/every-fault.ts";
import { freshHome } from "../support/fresh-home.ts";
import { freePort } from "../support/free-port.ts";
import { type Ran, countersign } from "../support/run.ts";
import { type Workspace, makeWorkspace, testWorkspace } from "../support/workspace.ts";

// A home that cannot be served says everything that is wrong with it, so that it is mended in one go.
let pristine: Workspace;
beforeAll(async () => {
  pristine = await makeWorkspace();
  await freshHome(pristine.file("home"));
});
afterAll(() => pristine.remove());

async function copyOfHome(): Promise<string> {
  const home = (await testWorkspace()).file("home");
  cpSync(pristine.file("home"), home, { recursive: true });
  return home;
}

/** Serves a copy of the home that was spoilt. */
async function serveSpoilt(spoil: (file: (name: string) => string) => void, ...args: string[]): Promise<Ran> {
  const home = await copyOfHome();
  spoil((name) => join(home, name));
  return countersign(["serve", "--home", home, ...args]);
}

/** Something that cannot be read, whoever tries. */
function makeUnreadable(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

test("every fault of a home is named in one error, and nothing listens", async () => {
  const port = await freePort();
  const ran = await serveSpoilt(
    (file) => {
      changeConfig(file(""), { trustAnchor: "x", limits: { handshakes: 0, idleTime: "1y" } });
      rmSync(file("certs/root.crt"));
      writeFileSync(file("certs/issuer.crt"), "junk");
      makeUnreadable(file("secrets/issuer.key"));
      mkdirSync(file("secrets/issuers"));
      writeFileSync(file("secrets/issuers/further.key"), "junk");
      writeFileSync(file("profiles/odd.json"), `{"keyTypes":["rsa-1024"]}`);
      rmSync(file("secrets/password"));
      writeFileSync(file("last-seen.json"), "junk");
    },
    ...["ca", "enforce", "metrics"].flatMap((name) => [`--${name}-listen`, "127.0.0.1:0"]),
    ...["--public-listen", `127.0.0.1:${String(port)}`],
  );
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  for (const fault of [
    "CONFIG_INVALID",
    "limits.handshakes: not a whole number from 1 to",
    "limits.idleTime: not a duration from 1s to 10m",
    'Unrecognized key: "trustAnchor"',
    "certs/root.crt cannot be read",
    "certs/issuer.crt is not a certificate",
    "secrets/issuer.key cannot be read",
    "secrets/issuers/further.key is not a private key",
    "odd.json: keyTypes.0 ",
    "secrets/password cannot be read",
    "last-seen.json is damaged",
  ]) {
    expect(ran.stderr).toContain(fault);
  }
  const refused = new Promise((resolve) => connect(port, "127.0.0.1").on("error", resolve));
  expect(await refused).toMatchObject({ code: "ECONNREFUSED" });
});

const badEnvironment = { ...process.env, COUNTERSIGN_BOGUS: "1", COUNTERSIGN_HTTP2: "maybe" };
const ofEnvironment = ["There is no such variable: COUNTERSIGN_BOGUS", "http2: neither on nor off"];
const badAddress = ["--enforce-listen", "127.0.0.1:19443", "--metrics-listen", "nowhere"];
const ofAddress = "listen.metrics: 'nowhere' is not HOST:PORT";

test("serve: no fault hides another, and each is named once", async () => {
  const home = await copyOfHome();
  const faults = spoilConfig(home, "127.0.0.1:19443");
  for (const name of ["certs/root.crt", "secrets/password", "countersign.sqlite"]) rmSync(join(home, name));
  const ran = await countersign(["serve", "--home", home, ...badAddress], { env: badEnvironment });
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  const ofHome = [
    "certs/root.crt cannot be read",
    "secrets/password cannot be read",
    "database, is not there",
  ];
  expectEachOnce(ran.stderr, [...faults, ...ofEnvironment, ofAddress, ...ofHome]);
});

test("gateway: no fault hides another, and each is named once", async () => {
  const home = await copyOfHome();
  const faults = spoilConfig(home, "127.0.0.1:19443");
  writeFileSync(join(home, "certs/issuer.crt"), "junk");
  rmSync(join(home, "countersign.sqlite"));
  changeConfig(home, { listen: { enforce: "elsewhere" } }); // whatever the flag says in its place
  const files = ["--cert", join(home, "no-own.crt"), "--key", join(home, "certs/root.crt")];
  const ran = await countersign(["gateway", "--home", home, ...files, ...badAddress], {
    env: badEnvironment,
  });
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  const ofHome = [
    "database, is not there",
    "listen.enforce: 'elsewhere' is not HOST:PORT",
    "issuer.crt is not a certificate",
    "no-own.crt cannot be read",
    "root.crt is not a private key",
  ];
  expectEachOnce(ran.stderr, [...faults, ...ofEnvironment, ofAddress, ...ofHome]);
});

test("createEnforcer: the same, but for routes, which it has not", async () => {
  const home = await copyOfHome();
  const all = spoilConfig(home, "127.0.0.1:19443");
  const faults = all.filter((fault) => /^config: |^crlLife|^limits|trust|no-root|no\.crl/.test(fault));
  const message = await createEnforcer({ home }).then(() => "", String);
  expectEachOnce(message, faults);
  expect(message).not.toMatch(/routes|upstreams/);
});

test("a config.json that is none hides nothing else", async () => {
  const ran = await serveSpoilt(
    (file) => {
      writeFileSync(file("config.json"), "junk");
    },
    "--ca-listen",
    "nowhere",
  );
  expectEachOnce(ran.stderr, ["config.json is not JSON", "listen.ca: 'nowhere' is not HOST:PORT"]);
});

test.each<[string, (file: (name: string) => string) => void, string, string]>([
  [
    "an unknown key",
    (file) => {
      changeConfig(file(""), { trustAnchor: "x" });
    },
    "CONFIG_INVALID",
    "The configuration is not valid: config: Unrecognized key",
  ],
  [
    "a root that is missing",
    (file) => {
      rmSync(file("certs/root.crt"));
    },
    "FILE_UNREADABLE",
    "root.crt cannot be read",
  ],
  [
    "a root that is none",
    (file) => {
      writeFileSync(file("certs/root.crt"), "junk");
    },
    "CONFIG_INVALID",
    "root.crt is not a certificate",
  ],
  [
    "a key that is none",
    (file) => {
      writeFileSync(file("secrets/issuer.key"), "junk");
    },
    "CONFIG_INVALID",
    "issuer.key is not a private key",
  ],
  [
    "no database",
    (file) => {
      rmSync(file("countersign.sqlite"));
    },
    "CONFIG_INVALID",
    "the home's database, is not there",
  ],
])("one fault keeps its own code: %s", async (_name, spoil, code, message) => {
  const { code: exit, stderr } = await serveSpoilt(spoil);
  expect(exit).toBe(1);
  expect(stderr).toContain(code);
  expect(stderr).toContain(message);
  expect(stderr).not.toContain("faults");
});

test("a damaged last-seen.json is no fault for who accepts an older state", async () => {
  const ran = await serveSpoilt((file) => {
    writeFileSync(file("last-seen.json"), "junk");
    rmSync(file("certs/root.crt"));
  }, "--accept-older-state");
  expect(ran.stderr).toContain("root.crt cannot be read");
  expect(ran.stderr).not.toContain("last-seen.json");
});

test("a variable that nobody reads is a fault", async () => {
  const env = { ...process.env, COUNTERSIGN_REFUSE_TLS: "on" };
  const args = ["serve", "--home", pristine.file("home"), "--ca-listen", "nowhere"];
  const ran = await countersign(args, { env });
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).toContain(
    "has several faults. There is no such variable: COUNTERSIGN_REFUSE_TLS. The conf",
  );
});
