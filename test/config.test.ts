import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type Config,
  type RawConfig,
  homeDirectory,
  limitVariable,
  readConfigFile,
  requireKnownVariables,
  resolveConfig,
} from "../src/config.ts";
import { Refusal } from "../src/domain/errors.ts";
import { defaultLimits, limitNames } from "../src/domain/limits.ts";
import { HOUR } from "../src/domain/time.ts";
import { expectRefusal } from "./support/issuing.ts";
import { testWorkspace } from "./support/workspace.ts";

const settle = (file: unknown = {}, env: NodeJS.ProcessEnv = {}, flags: RawConfig = {}): Config =>
  resolveConfig("/home", flags, env, file);

function faultsOf(...layers: Parameters<typeof settle>): string {
  try {
    settle(...layers);
  } catch (error) {
    if (error instanceof Refusal && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  throw new Error("the configuration was not refused");
}

test("without anything said, the defaults hold", () => {
  expect(settle()).toEqual({
    home: "/home",
    name: "Countersign",
    trustDomain: "countersign.internal",
    dns: ["localhost", "127.0.0.1", "::1"],
    waitSeconds: 1,
    trust: [],
    crlLife: 24 * HOUR,
    resumption: true,
    refuseInTls: false,
    http2: false,
    approval: undefined,
    limits: defaultLimits,
    upstreams: {},
    routes: [],
    listen: {
      ca: { host: "127.0.0.1", port: 8443 },
      enforce: { host: "127.0.0.1", port: 9443 },
      public: { host: "127.0.0.1", port: 8080 },
      metrics: { host: "127.0.0.1", port: 9090 },
    },
  });
});

test("it is frozen", () => {
  expect(Object.isFrozen(settle())).toBe(true);
});

describe("a flag goes before a variable, a variable before the file, the file before the default", () => {
  const file = { publicUrl: "http://file", listen: { ca: "127.0.0.1:1", enforce: "127.0.0.1:2" } };
  const env = { COUNTERSIGN_PUBLIC_URL: "http://env", COUNTERSIGN_CA_LISTEN: "127.0.0.1:3" };
  const flags = { publicUrl: "http://flag", listen: { ca: "127.0.0.1:4", enforce: undefined } };
  const said = ({ publicUrl, listen }: Config) => [publicUrl, listen.ca.port, listen.enforce.port];

  test.each([
    ["default", settle(), [undefined, 8443, 9443]],
    ["file", settle(file), ["http://file", 1, 2]],
    ["variable", settle(file, env), ["http://env", 3, 2]],
    ["flag", settle(file, env, flags), ["http://flag", 4, 2]],
    ["flag without a file", settle({}, {}, flags), ["http://flag", 4, 9443]],
  ])("%s", (_name, config, expected) => {
    expect(said(config)).toEqual(expected);
  });

  test("for the wait for servers", () => {
    expect(settle({ waitSeconds: 2.5 }).waitSeconds).toBe(2.5);
    expect(settle({ crlLife: "2h" }).crlLife).toBe(2 * HOUR);
    expect(settle({ crlLife: "2h" }, { COUNTERSIGN_CRL_LIFE: "10m" }).crlLife).toBe(HOUR / 6);
    expect(settle({ waitSeconds: 2.5 }, { COUNTERSIGN_WAIT_SECONDS: "30" }).waitSeconds).toBe(30);
    const limits = { handshakes: 9, idleTime: "90s" };
    const env = { COUNTERSIGN_LIMIT_HANDSHAKES: "8", COUNTERSIGN_LIMIT_BODY_SIZE: "2048" };
    expect(settle({ limits }).limits).toEqual({ ...defaultLimits, handshakes: 9, idleTime: 90_000 });
    expect(settle({ limits }, env).limits).toMatchObject({ handshakes: 8, bodySize: 2048, idleTime: 90_000 });
    expect(settle({ resumption: false }).resumption).toBe(false);
    expect(settle({ resumption: true }, { COUNTERSIGN_RESUMPTION: "off" }).resumption).toBe(false);
    expect(settle({}, { COUNTERSIGN_RESUMPTION: "on" }, { resumption: false }).resumption).toBe(false);
    const approval = { pendingPerAddress: 5, pending: 1000 };
    expect(settle({ approval: true }).approval).toEqual(approval);
    expect(settle({ approval: { pending: 7 } }).approval).toEqual({ ...approval, pending: 7 });
    expect(settle({ approval: true }, { COUNTERSIGN_APPROVAL: "off" }).approval).toBeUndefined();
    expect(settle({}, { COUNTERSIGN_APPROVAL: "off" }, { approval: true }).approval).toEqual(approval);
  });

  test("for the database's URL and every listener", () => {
    const all = settle(
      { databaseUrl: "postgres://file/db" },
      {
        COUNTERSIGN_DATABASE_URL: "postgresql://env/db",
        COUNTERSIGN_ENFORCE_LISTEN: "0.0.0.0:1",
        COUNTERSIGN_PUBLIC_LISTEN: "[::]:2",
        COUNTERSIGN_METRICS_LISTEN: "metrics.internal:0",
      },
    );
    expect(all.databaseUrl).toBe("postgresql://env/db");
    expect(all.listen).toMatchObject({
      enforce: { host: "0.0.0.0", port: 1 },
      public: { host: "::", port: 2 },
      metrics: { host: "metrics.internal", port: 0 },
    });
  });

  test("for the names and the trust domain, and a flag that was not given says nothing", () => {
    const named = { name: "From file", trustDomain: "File.Example", dns: ["file.example"] };
    expect(settle(named)).toMatchObject({ ...named, trustDomain: "file.example" });
    const given = {
      name: "From flag",
      trustDomain: undefined,
      dns: ["flag.example", "192.0.2.1", "2001:db8::1"],
    };
    expect(settle(named, {}, given)).toMatchObject({ ...given, trustDomain: "file.example" });
  });
});

test("a slash at the public URL's end is taken off, so that paths can be put behind it", () => {
  expect(settle({ publicUrl: "http://ca.example/pki//" }).publicUrl).toBe("http://ca.example/pki");
  expect(settle({ publicUrl: "http://Müller.example/a b" }).publicUrl).toBe(
    "http://xn--mller-kva.example/a%20b",
  );
});

const faults: [string, unknown, RegExp][] = [
  [
    "a port beyond 65535",
    { listen: { ca: "127.0.0.1:65536" } },
    /listen\.ca: '127\.0\.0\.1:65536' is not HOST:PORT/,
  ],
  ["a negative port", { listen: { ca: "127.0.0.1:-1" } }, /listen\.ca: /],
  ["a port that is no number", { listen: { ca: "127.0.0.1:https" } }, /listen\.ca: /],
  ["no port", { listen: { enforce: "127.0.0.1" } }, /listen\.enforce: /],
  ["no host", { listen: { enforce: ":8443" } }, /listen\.enforce: /],
  ["an IPv6 address without brackets", { listen: { public: "::1:8443" } }, /listen\.public: /],
  ["a URL for a listener", { listen: { public: "http://127.0.0.1:80" } }, /listen\.public: /],
  ["a number for a listener", { listen: { metrics: 9090 } }, /listen\.metrics: /],
  ["an https public URL", { publicUrl: "https://ca.example" }, /publicUrl: not an http:\/\/ URL/],
  ["a public URL that is none", { publicUrl: "ca.example" }, /publicUrl: /],
  ["another database's URL", { databaseUrl: "mysql://h/db" }, /databaseUrl: not a postgres:\/\/ URL/],
  ["an unknown limit", { limits: { handshake: 1 } }, /limits: Unrecognized key: "handshake"/],
  ["limits that are none", { limits: 5 }, /limits: /],
  ["a limit of nothing", { limits: { handshakes: 0 } }, /limits\.handshakes: not a whole number from 1 to /],
  ["part of a connection", { limits: { connections: 1.5 } }, /limits\.connections: not a whole number /],
  [
    "a time without a unit",
    { limits: { headerTime: 15 } },
    /limits\.headerTime: not a duration from 1s to 10m/,
  ],
  [
    "a time beyond its limit",
    { limits: { idleTime: "1h" } },
    /limits\.idleTime: not a duration from 1s to 10m/,
  ],
  [
    "a small header size",
    { limits: { headerSize: 100 } },
    /limits\.headerSize: not a number of octets from 1024/,
  ],
  ["neither on nor off", { resumption: "no" }, /resumption: neither on nor off/],
  ["an approval of sorts", { approval: "maybe" }, /approval: neither on nor off, nor \{ pendingPerAddress/],
  ["no place for requests", { approval: { pending: 0 } }, /approval\.pending: Too small/],
  ["an unknown limit of approval", { approval: { waiting: 5 } }, /approval: .*waiting/],
  ["a trust domain that is none", { trustDomain: "not a domain" }, /trustDomain: not a DNS name/],
  [
    "a name that no host has",
    { dns: ["good.example", "bad_/name"] },
    /dns\.1: not a DNS name or an IP address/,
  ],
  ["an empty name", { name: "" }, /name: /],
  ["an overlong name", { name: "x".repeat(41) }, /name: /],
  [
    "a life of CRLs that is no duration",
    { crlLife: "1 day" },
    /crlLife: '1 day' is not a duration from 10m to 30d/,
  ],
  ["a life of CRLs too short to be fetched", { crlLife: "599s" }, /crlLife: '599s' is not/],
  ["a life of CRLs of a quarter", { crlLife: "31d" }, /crlLife: '31d' is not/],
  ["a wait that is no number", { waitSeconds: "soon" }, /waitSeconds: not a number of seconds/],
  ["an empty wait", { waitSeconds: "" }, /waitSeconds: /],
  ["a negative wait", { waitSeconds: -1 }, /waitSeconds: /],
  ["a wait of an hour", { waitSeconds: 3600 }, /waitSeconds: /],
  ["an unknown key", { pubicUrl: "http://typo" }, /config: .*pubicUrl/],
  ["an unknown listener", { listen: { admin: "127.0.0.1:1" } }, /listen: .*admin/],
];

test.each(faults)("%s is refused", (_name, file, message) => {
  expect(faultsOf(file)).toMatch(message);
});

test.each([
  ["text", "127.0.0.1:8443"],
  ["a number", 8443],
  ["null", null],
  ["a list", ["127.0.0.1:8443"]],
])("%s where the file's listeners are to be is refused", (_name, listen) => {
  expect(faultsOf({ listen })).toMatch(/listen/);
});

test.each([
  ["text", "listen"],
  ["a number", 7],
  ["null", null],
  ["a list", [{ name: "x" }]],
  ["an empty list", []],
])("a file that is %s is refused", (_name, file) => {
  expect(faultsOf(file)).toMatch(/config/);
});

test("variables and flags are looked at as closely as the file", () => {
  expect(faultsOf({}, { COUNTERSIGN_CA_LISTEN: "nowhere" })).toMatch(
    /listen\.ca: 'nowhere' is not HOST:PORT/,
  );
  expect(faultsOf({}, { COUNTERSIGN_DATABASE_URL: "sqlite:x" })).toMatch(/databaseUrl: /);
  expect(faultsOf({}, {}, { publicUrl: "ftp://x" })).toMatch(/publicUrl: /);
});

test("every fault is named at once", () => {
  const message = faultsOf(
    { trustDomain: "not a domain", pubicUrl: "x", listen: { ca: "x", enforce: "y" } },
    { COUNTERSIGN_DATABASE_URL: "mysql://h/db" },
    { publicUrl: "https://x" },
  );
  for (const part of [
    "trustDomain: ",
    "pubicUrl",
    "listen.ca: ",
    "listen.enforce: ",
    "databaseUrl: ",
    "publicUrl: ",
  ]) {
    expect(message).toContain(part);
  }
});

test("the home is the flag's, else the variable's, else ./ca; always an absolute path", () => {
  expect(homeDirectory("/flag", { COUNTERSIGN_HOME: "/env" })).toBe("/flag");
  expect(homeDirectory(undefined, { COUNTERSIGN_HOME: "/env" })).toBe("/env");
  expect(homeDirectory(undefined, { COUNTERSIGN_HOME: "env" })).toBe(resolve("env"));
  expect(homeDirectory(undefined, {})).toBe(resolve("ca"));
});

test("the file is read as JSON; without one the home is not initialised", async () => {
  const workspace = await testWorkspace();
  const read = () => Promise.resolve().then(() => readConfigFile(workspace.path));
  const missing = `${workspace.path} is not initialised. Run 'countersign init', or name another home with --home.`;
  await expectRefusal(read(), "HOME_MISSING", missing);
  await writeFile(workspace.file("config.json"), "{ name: 1 }");
  await expectRefusal(read(), "CONFIG_INVALID", `${workspace.file("config.json")} is not JSON.`);
  await writeFile(workspace.file("config.json"), '{ "name": "Mine" }');
  expect(settle(await read()).name).toBe("Mine");
});

describe("variables of our prefix", () => {
  test("that nobody reads are refused, all of them", async () => {
    const env = { COUNTERSIGN_REFUSE_TLS: "on", COUNTERSIGN_LIMIT_WAITNG: "", COUNTERSIGN_HTTP2: "on" };
    await expectRefusal(
      Promise.resolve().then(() => {
        requireKnownVariables(env);
      }),
      "CONFIG_INVALID",
      "There is no such variable: COUNTERSIGN_LIMIT_WAITNG, COUNTERSIGN_REFUSE_TLS.",
    );
  });

  test("that are read, or come from Kubernetes or tests, are not", () => {
    const names = [
      ...["HOME", "PASSWORD_FILE", "PUBLIC_URL", "DATABASE_URL", "WAIT_SECONDS", "CRL_LIFE", "RESUMPTION"],
      ...["REFUSE_IN_TLS", "HTTP2", "CA_LISTEN", "ENFORCE_LISTEN", "PUBLIC_LISTEN", "METRICS_LISTEN"],
      ...["TEST_OPENSSL", "SOAK", "SOAK_SECONDS", "REPLAY"],
      ...["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTPS", "PORT", "PORT_8443_TCP_ADDR", "DB_PORT"],
    ].map((name) => `COUNTERSIGN_${name}`);
    const all = [...names, ...limitNames.map(limitVariable), "PATH"];
    expect(() => {
      requireKnownVariables(Object.fromEntries(all.map((name) => [name, "x"])));
    }).not.toThrow();
  });
});
