import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { byFiles } from "./est-curl.ts";
import { goProgram } from "./go-program.ts";
import { requireCerttool, requireProgram } from "./judges.ts";
import { projectRoot, runOk } from "./run.ts";

/** What a CSR asks for. */
export interface CommonNameAndUri {
  readonly commonName: string;
  readonly uri: string;
}

/** A program that makes keys (P-256) and CSRs; all that it makes lies in one folder. */
export interface Maker {
  /** What it is, and the form that its CSR is sent in. */
  readonly name: string;
  /** Without it, the running test is skipped. */
  readonly require: (context: TestContext) => void;
  /** Makes a key where there is none of this name, and with it a CSR; returns the file to be sent. */
  readonly request: (folder: string, key: string, asked: CommonNameAndUri) => Promise<string>;
  /** Puts a certificate beside its key, with its chain (both PEM); returns curl's configuration with them. */
  readonly install: (folder: string, key: string, leaf: string, chain: string) => Promise<string>;
}

const ownPrograms = join(projectRoot, "test/support/est-makers");

/** Between them, every form that a CSR may have in a body. */
export const makers: readonly Maker[] = [
  {
    name: "openssl: base64 in lines of 64",
    require: () => undefined,
    async request(cwd, name, { commonName, uri }) {
      const key = `${name}.key`;
      const curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
      if (!existsSync(join(cwd, key))) await runOk("openssl", ["genpkey", ...curve, "-out", key], { cwd });
      const asked = ["-subj", `/CN=${commonName}`, "-addext", `subjectAltName=URI:${uri}`];
      const der = ["-outform", "DER", "-out", "csr.der"];
      await runOk("openssl", ["req", "-new", "-key", key, ...asked, ...der], { cwd });
      await runOk("openssl", ["base64", "-in", "csr.der", "-out", "csr"], { cwd });
      return join(cwd, "csr");
    },
    install: installFiles,
  },
  {
    name: "certtool: DER",
    require: requireCerttool,
    async request(cwd, name, { commonName, uri }) {
      const key = `${name}.key`;
      const made = ["--generate-privkey", "--key-type=ecdsa", "--curve=secp256r1", "--outfile", key];
      if (!existsSync(join(cwd, key))) await runOk("certtool", made, { cwd });
      writeFileSync(join(cwd, "template"), `cn = ${commonName}\nuri = ${uri}\n`);
      const asked = ["--load-privkey", key, "--template", "template", "--outder", "--outfile", "csr"];
      await runOk("certtool", ["--generate-request", ...asked], { cwd });
      return join(cwd, "csr");
    },
    install: installFiles,
  },
  {
    name: "Java's keytool: PEM, its key in a PKCS#12 file",
    require: (context) => {
      requireProgram(context, "keytool", "default-jdk-headless");
    },
    async request(cwd, name, { commonName, uri }) {
      if (!existsSync(join(cwd, `${name}.p12`))) {
        writeFileSync(join(cwd, "password"), PASSWORD, { mode: 0o600 });
        const made = ["-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=placeholder"];
        await keytool(cwd, name, "-genkeypair", ...made);
      }
      const asked = ["-dname", `CN=${commonName}`, "-ext", `san=uri:${uri}`];
      await keytool(cwd, name, "-certreq", ...asked, "-file", "csr");
      return join(cwd, "csr");
    },
    async install(cwd, name, leaf, chain) {
      writeFileSync(join(cwd, "reply"), leaf + chain);
      await keytool(cwd, name, "-importcert", "-noprompt", "-file", "reply");
      return `cert = "${join(cwd, name)}.p12:${PASSWORD}"\ncert-type = "P12"\n`;
    },
  },
  {
    name: "Python's cryptography: base64 in MIME's lines",
    require({ skip }) {
      const { status } = spawnSync(PYTHON, ["-c", "import cryptography"]);
      if (status !== 0) skip(`${PYTHON} has no cryptography: install Debian's python3-cryptography`);
    },
    async request(cwd, name, { commonName, uri }) {
      const program = join(ownPrograms, "request.py");
      await runOk(PYTHON, [program, `${name}.key`, "csr", commonName, uri], { cwd });
      return join(cwd, "csr");
    },
    install: installFiles,
  },
  {
    name: "Go's crypto/x509: base64 on one line",
    require: (context) => {
      requireProgram(context, "go", "golang-go");
    },
    async request(cwd, name, { commonName, uri }) {
      const program = await goProgram(join(ownPrograms, "request.go"), cwd);
      await runOk(program, [`${name}.key`, "csr", commonName, uri], { cwd });
      return join(cwd, "csr");
    },
    install: installFiles,
  },
];

/** Debian's own: another one on the PATH does not see Debian's packages. */
const PYTHON = "/usr/bin/python3";
const PASSWORD = "only for this test";

function installFiles(folder: string, name: string, leaf: string): Promise<string> {
  const [certificate, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  writeFileSync(certificate, leaf);
  return Promise.resolve(byFiles(certificate, key));
}

/** In the store NAME.p12, and not with all of Java's compiler, which takes longer than it saves. */
function keytool(cwd: string, name: string, ...args: readonly string[]): Promise<string> {
  const store = ["-alias", name, "-keystore", `${name}.p12`, "-storetype", "PKCS12"];
  const quick = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"];
  return runOk("keytool", [...quick, ...args, ...store, "-storepass:file", "password"], { cwd });
}
