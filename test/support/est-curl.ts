import { run, runOk } from "./run.ts";

// What tests of EST's clients have in common.

interface Server {
  readonly ca: string;
  readonly enforce: string;
  readonly root: string;
}

/** What curl's configuration calls a client certificate: files with it and its key. */
export function byFiles(certificate: string, key: string): string {
  return `cert = "${certificate}"\nkey = "${key}"\n`;
}

/**
 * Asks curl, which has the rest from a configuration on standard input: there a secret is no argument.
 *
 * @returns the status and the body
 */
export async function curl(
  { root }: Pick<Server, "root">,
  config: string,
  url: string,
  ...args: readonly string[]
): Promise<{ readonly status: number; readonly body: string }> {
  const options = ["-sS", "--cacert", root, "-K", "-", "-w", "\n%{http_code}", ...args];
  const { stdout, stderr } = await run("curl", [...options, url], { input: config });
  const end = stdout.lastIndexOf("\n");
  const status = Number(stdout.slice(end + 1));
  if (status === 0) throw new Error(`curl ${url}: ${stderr}`);
  return { status, body: stdout.slice(0, end) };
}

/** Who a client is to a protected service: its account, or why not. */
export async function whoami(server: Server, config: string): Promise<string> {
  const { body } = await curl(server, config, `${server.enforce}/whoami`);
  const { account, code } = JSON.parse(body) as Record<string, string>;
  return account ?? code ?? body;
}

/** What curl needs to send a CSR; its answer's body is base64, or a problem document. */
export function csrFrom(file: string): string[] {
  return ["-H", "Content-Type: application/pkcs10", "--data-binary", `@${file}`];
}

/** The certificates (PEM) of an answer, as OpenSSL reads it. */
export function certificatesIn(body: string): Promise<string> {
  const script = "openssl base64 -d | openssl pkcs7 -inform DER -print_certs";
  return runOk("bash", ["-o", "pipefail", "-c", script], { input: body });
}

/** The code of a problem document; "" of anything else. */
export function codeOf(body: string): string {
  return /"code":"([A-Z_]+)"/.exec(body)?.[1] ?? "";
}
