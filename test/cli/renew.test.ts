import { X509Certificate, createPrivateKey } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fingerprintOf } from "../../src/domain/identifiers.ts";
import { HOUR } from "../../src/domain/time.ts";
import { type ClientFolder, enrolledFiles, heldBy, issuedTo } from "../support/client-files.ts";
import { command } from "../support/command.ts";
import { issuedAt } from "../support/own-issuer.ts";
import { type Ran, countersign, run } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();

function renew({ key, cert, ca }: ClientFolder, ...more: string[]): Promise<Ran> {
  return command(["renew", "--key", key, "--cert", cert, "--ca", ca, "--ca-url", server.ca, ...more]);
}

test("says when it is due, and renews then or when forced", async () => {
  const files = await enrolledFiles(server);
  const before = heldBy(files);
  const left = await renew(files);
  expect(left).toMatchObject({ code: 0, stderr: "" });
  expect(left.stdout).toMatch(/^Renewed: +no, it is not due\nNext due: +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\n/);
  expect(heldBy(files)).toBe(before);

  const ran = await renew(files, "--force", "--json");
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  const { key, cert, ca } = files;
  expect(JSON.parse(ran.stdout)).toEqual({
    ...{ renewed: true, fingerprint: heldBy(files), key, cert, ca },
    notAfter: expect.stringMatching(/Z$/) as string,
    dueAt: expect.stringMatching(/Z$/) as string,
  });
  expect(heldBy(files)).not.toBe(before);
});

test("renews what is due, with the same key when that is wanted", async () => {
  const files = await enrolledFiles(server, "same-key");
  const old = await issuedAt(server.home, "same-key", -20 * HOUR);
  writeFileSync(files.key, old.key);
  writeFileSync(files.cert, old.cert);
  const ran = await renew(files, "--same-key");
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(ran.stdout).toMatch(/^Renewed: +yes\n/);
  expect(readFileSync(files.key, "latin1")).toBe(old.key);
  expect(heldBy(files)).not.toBe(old.fingerprint);
});

describe("asks the CA that it is told of", () => {
  test("by the environment, or as enroll remembered it; else it says what is missing", async () => {
    const files = await enrolledFiles(server);
    const cwd = files.path;
    const env = { ...process.env, XDG_CONFIG_HOME: join(cwd, "config"), COUNTERSIGN_CA_URL: "" };
    const none = await countersign(["renew", "--force"], { cwd, env });
    expect(none).toMatchObject({ code: 2, stdout: "" });
    expect(none.stderr).toMatch(
      /^countersign: No CA is remembered for the root in ca.crt.*--ca-url\. \(CA_NOT_REMEMBERED\)$/m,
    );

    const root = fingerprintOf(new X509Certificate(readFileSync(files.ca)).raw);
    const folder = join(cwd, "config", "countersign", "cas");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${root}.json`), JSON.stringify({ caUrl: server.ca, fingerprint: root }));
    expect(await countersign(["renew", "--force"], { cwd, env })).toMatchObject({ code: 0, stderr: "" });

    const elsewhere = { ...env, COUNTERSIGN_CA_URL: "https://127.0.0.1:1" };
    const ran = await countersign(["renew", "--force"], { cwd, env: elsewhere });
    expect(ran.stderr).toContain("(SERVER_UNREACHABLE)");
  });
});

test("the other listener is told as that", async () => {
  const files = await enrolledFiles(server);
  const { key, cert, ca } = files;
  const ran = await command([
    ...["renew", "--force", "--json", "--ca-url", server.enforce],
    ...["--key", key, "--cert", cert, "--ca", ca],
  ]);
  expect(JSON.parse(ran.stderr)).toMatchObject({
    code: "NO_ROUTE",
    message: expect.stringContaining("it is no CA listener, but perhaps an enforcement listener.") as string,
  });
  const who = await command(["whoami", server.ca, "--json", "--key", key, "--cert", cert, "--ca", ca]);
  expect(JSON.parse(who.stderr)).toMatchObject({
    code: "NOT_FOUND",
    message: expect.stringContaining("it is no enforcement listener, but perhaps a CA listener.") as string,
  });
});

test("a CA's URL of another scheme is wrong usage", async () => {
  const files = await enrolledFiles(server);
  const ran = await renew(files, "--force", "--json", "--ca-url", "http://127.0.0.1:8443");
  expect(ran.code).toBe(2);
  expect(JSON.parse(ran.stderr)).toEqual({
    code: "CONFIG_INVALID",
    message: "'http://127.0.0.1:8443' is not an https:// URL. Give one that is.",
  });
});

describe("refused, and nothing replaced", () => {
  const cases: [string, string, string, (files: ClientFolder) => unknown][] = [
    [
      "revoked",
      "CERT_REVOKED",
      "The certificate was revoked, for good. Use its successor, or enrol with a new key.",
      ({ cert }) => server.admin("revoke", cert),
    ],
    [
      "suspended",
      "CERT_SUSPENDED",
      "The certificate is suspended. An admin can resume it.",
      ({ cert }) => server.admin("suspend", cert),
    ],
    [
      "expired",
      "CERT_EXPIRED",
      "The certificate has expired. Enrol again for a new one.",
      async ({ key, cert }) => {
        const old = await issuedAt(server.home, "acme", -25 * HOUR);
        writeFileSync(key, old.key);
        writeFileSync(cert, old.cert);
      },
    ],
    [
      "renewed elsewhere",
      "RENEWED_BEFORE",
      "This certificate was renewed before: its key may have been copied. Its line is suspended. Tell an admin; do not try again.",
      async (files) => {
        const [key, cert] = [readFileSync(files.key), readFileSync(files.cert)];
        expect(await renew(files, "--force")).toMatchObject({ code: 0 });
        writeFileSync(files.key, key);
        writeFileSync(files.cert, cert);
      },
    ],
    [
      "the key unreadable",
      "FILE_UNREADABLE",
      "KEY cannot be read.",
      ({ key }) => {
        rmSync(key);
      },
    ],
    [
      "the key garbled",
      "FILE_UNREADABLE",
      "KEY is not a private key in PEM.",
      ({ key }) => {
        writeFileSync(key, "not a key");
      },
    ],
    [
      "the key of another",
      "FILE_UNREADABLE",
      "KEY and CERT do not go together.",
      async ({ key }) => {
        writeFileSync(key, readFileSync((await enrolledFiles(server)).key));
      },
    ],
    [
      "the certificate unreadable",
      "FILE_UNREADABLE",
      "CERT is not a certificate in PEM.",
      ({ cert }) => {
        writeFileSync(cert, "");
      },
    ],
    [
      "the folder empty",
      "FILE_UNREADABLE",
      "There is no CERT: enrol first, or say where it is.",
      ({ key, cert }) => {
        for (const path of [key, cert]) rmSync(path);
      },
    ],
  ];

  test.each(cases)("%s: %s", async (_name, code, sentence, spoil) => {
    const files = await enrolledFiles(server);
    await spoil(files);
    const before = [files.key, files.cert].map((path) => existsSync(path) && readFileSync(path));
    const ran = await renew(files, "--force", "--json");
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    const message = sentence.replace("KEY", files.key).replace("CERT", files.cert);
    expect(JSON.parse(ran.stderr)).toMatchObject({ code, message });
    expect([files.key, files.cert].map((path) => existsSync(path) && readFileSync(path))).toEqual(before);
  });

  test("a wrong passphrase, or none", async () => {
    const files = await enrolledFiles(server);
    // Few rounds: a try takes no time. What we encrypt ourselves, the renewal at the end does.
    const cipher = { format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "right" } as const;
    writeFileSync(files.key, createPrivateKey(readFileSync(files.key)).export(cipher));
    writeFileSync(join(files.path, "pass"), "wrong\n");
    const pass = ["--passphrase-file", join(files.path, "pass")];
    const required = {
      code: "PASSWORD_REQUIRED",
      message: `${files.key} is encrypted: it needs a passphrase. Give it with --passphrase-file.`,
    };
    const wrong = {
      code: "PASSWORD_WRONG",
      message: `${files.key} does not open with this passphrase. Give it with --passphrase-file.`,
    };
    const { key, cert, ca } = files;
    const whoami = ["whoami", server.enforce, "--key", key, "--cert", cert, "--ca", ca, "--json"];
    for (const [ran, error] of [
      [await renew(files, "--json"), required],
      [await renew(files, "--json", ...pass), wrong],
      [await renew(files, "--json", "--daemon"), required],
      [await renew(files, "--json", ...pass, "--daemon"), wrong],
      [await command(whoami), required],
      [await command([...whoami, ...pass]), wrong],
    ] as const) {
      expect(ran.code).toBe(error === required ? 2 : 1);
      expect(JSON.parse(ran.stderr)).toEqual(error);
    }
    writeFileSync(join(files.path, "pass"), "right\n");
    expect(await renew(files, ...pass, "--force")).toMatchObject({ code: 0, stderr: "" });
    heldBy(files, "right");
    expect(await command([...whoami, ...pass])).toMatchObject({ code: 0, stderr: "" });
    writeFileSync(files.key, "not a key");
    expect(JSON.parse((await command([...whoami, ...pass])).stderr)).toMatchObject({
      code: "FILE_UNREADABLE",
      message: `${files.key} is not a private key in PEM.`,
    });
  });

  test.each([
    [["--signal", "HUP"]],
    [["--pid-file", "x"]],
    [["--signal", "NONSENSE", "--pid-file", "x"]],
    [["--exec", "true", "--signal", "HUP", "--pid-file", "x"]],
    [["--daemon", "--force"]],
    [["--daemon", "--ca-url", "http://127.0.0.1:8443"]],
  ])("usage: %j exits 2", async (args) => {
    expect((await command(["renew", ...args])).code).toBe(2);
  });
});

describe("tells those who use the files", () => {
  test("once after a change, and again when that failed", async () => {
    const files = await enrolledFiles(server);
    const seen = join(files.path, "seen");
    const exec = ["--exec", `openssl x509 -in '${files.cert}' -noout -fingerprint -sha256 >> '${seen}'`];
    expect(await renew(files, ...exec)).toMatchObject({ code: 0 });
    expect(existsSync(seen)).toBe(false);
    const failing = await renew(files, "--force", "--exec", "exit 3");
    expect(failing.code).toBe(1);
    expect(failing.stderr).toBe(
      "countersign: The certificate was renewed, but nobody was told of it. The command ended with 3. " +
        "Mend that, and run the same command again without --force: it tells them then. (COMMAND_FAILED)\n",
    );
    for (let count = 0; count < 2; count++) expect(await renew(files, ...exec)).toMatchObject({ code: 0 });
    const [line = "", ...rest] = readFileSync(seen, "latin1").trim().split("\n");
    expect(line.replace(/^.*=/, "").replaceAll(":", "").toLowerCase()).toBe(heldBy(files));
    expect(rest).toEqual([]);
  });

  test("by a signal to the process in a file", async () => {
    const files = await enrolledFiles(server);
    const pidFile = join(files.path, "pid");
    const signal = ["--signal", "USR1", "--pid-file", pidFile, "--json"];
    expect(JSON.parse((await renew(files, "--force", ...signal)).stderr)).toMatchObject({
      code: "COMMAND_FAILED",
      message: `The certificate was renewed, but nobody was told of it. ${pidFile} cannot be read. Mend that, and run the same command again without --force: it tells them then.`,
    });
    // None of these is a process or a group of them, for a command that took them for one.
    for (const text of ["-2000000000", "2e9"]) {
      writeFileSync(pidFile, text);
      expect(JSON.parse((await renew(files, ...signal)).stderr)).toMatchObject({
        code: "COMMAND_FAILED",
        message: expect.stringContaining("does not hold a process's number") as string,
      });
    }
    const waiting = run("sh", [
      "-c",
      `trap 'exit 7' USR1; echo $$ > '${pidFile}'; while :; do sleep 0.1; done`,
    ]);
    await expect.poll(() => readFileSync(pidFile, "latin1")).toMatch(/\n$/);
    chmodSync(pidFile, 0o666);
    expect(JSON.parse((await renew(files, ...signal)).stderr)).toMatchObject({
      code: "COMMAND_FAILED",
      message: expect.stringMatching(
        /renewed, but nobody.* others may write to it. Nobody was signalled./,
      ) as string,
    });
    chmodSync(pidFile, 0o644);
    expect(await renew(files, ...signal)).toMatchObject({ code: 0 });
    expect((await waiting).code).toBe(7);
    expect(issuedTo(server.home, "acme").map(({ fingerprint }) => fingerprint)).toContain(heldBy(files));
  });
});
