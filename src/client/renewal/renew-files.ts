import type { KeyObject, X509Certificate } from "node:crypto";
import { Refusal } from "../../domain/errors.ts";
import type { Fingerprint } from "../../domain/identifiers.ts";
import type { Clock } from "../../domain/ports.ts";
import type { Instant } from "../../domain/time.ts";
import { readInput } from "../../files/files.ts";
import { type HeldLock, withLock } from "../../files/lock.ts";
import { isEncrypted } from "../../x509/private-key.ts";
import {
  type ClientCertificate,
  type ClientFiles,
  readCertificate,
  readRoots,
  requireCertificateOf,
  resolveFiles,
  successorFrom,
} from "../files/certificate-files.ts";
import { tellClocks } from "../ca/clock-fault.ts";
import { keyPem, openKey } from "../files/key-files.ts";
import { PendingRenewal, type PendingCsr } from "./pending-renewal.ts";
import { renew } from "./renew.ts";

/** What is done one after the other; after each of them a crash ends well. */
export type RenewalStep =
  "locked" | "key stored" | "request stored" | "answered" | "answer stored" | "key in place" | "installed";

export interface RenewFiles {
  /** The CA listener. */
  readonly caUrl: string;
  readonly files: ClientFiles;
  /** Opens the key, when it is encrypted; the next one is encrypted with it too. */
  readonly passphrase?: string | undefined;
  /** Goes on with the key there is; otherwise a new one of the same type is made. */
  readonly sameKey?: boolean | undefined;
  /** Renews also what is not due. */
  readonly force?: boolean | undefined;
  /** A certificate that counts as due, whatever the clock says. */
  readonly overdue?: Fingerprint | undefined;
  readonly clock: Clock;
  /** Ends the waiting for an answer. */
  readonly stop?: AbortSignal | undefined;
  /** Told after each step. */
  readonly onStep?: ((step: RenewalStep) => void) | undefined;
}

export interface Renewal {
  /** Whether the files hold another certificate than before. */
  readonly renewed: boolean;
  /** Of the certificate that they hold now. */
  readonly fingerprint: Fingerprint;
  readonly notAfter: Instant;
  readonly dueAt: Instant;
}

/** The credential as it is, and what lies beside it. */
interface Scene {
  readonly options: RenewFiles;
  readonly files: ClientFiles;
  readonly roots: readonly X509Certificate[];
  readonly pending: PendingRenewal;
  readonly lock: HeldLock;
  readonly step: (step: RenewalStep) => void;
}

/**
 * Renews a credential that is in files, when it is due; what an earlier attempt has begun is ended in any case. One
 * process at a time does it. Key and CSR are stored before anything is sent, and the answer before anything is replaced:
 * after a crash or a lost answer the next attempt sends the same CSR, and gets the same certificate.
 *
 * @throws Refusal FILE_UNREADABLE, PASSWORD_WRONG, SERVER_UNREACHABLE, SERVER_UNTRUSTED, UNAVAILABLE, or the CA's own.
 */
export async function renewFiles(options: RenewFiles): Promise<Renewal> {
  const files = resolveFiles(options.files);
  return withLock(`${files.key}.lock`, async (lock) => {
    const step = options.onStep ?? (() => undefined);
    step("locked");
    const before = readCertificate(files.cert);
    const key = openKey(files.key, options.passphrase); // a wrong passphrase is told before anything is changed
    const passphrase = isEncrypted(readInput(files.key).toString("latin1")) ? options.passphrase : undefined;
    const pending = new PendingRenewal(files, passphrase);
    pending.tidy(before.fingerprint, key);
    const scene = { options, files, roots: readRoots(files.ca), pending, lock, step };
    const wasEnded = endStored(scene, before);
    const next = wasEnded
      ? await renewCurrent(scene, readCertificate(files.cert), openKey(files.key, passphrase), false)
      : await renewCurrent(scene, before, key, options.force === true);
    const { fingerprint, notAfter, dueAt } = next;
    return { renewed: fingerprint !== before.fingerprint, fingerprint, notAfter, dueAt };
  });
}

/** Ends an earlier attempt whose answer is there. Returns whether that changed the files. */
function endStored(scene: Scene, before: ClientCertificate): boolean {
  const { pending } = scene;
  const chain = pending.answer();
  if (chain === undefined) return false;
  const isInstalled = install(scene, () => successorFrom(chain, before, scene.roots));
  if (!isInstalled) pending.dropAnswer(); // the CA gives it again
  return isInstalled;
}

function install({ pending, step }: Scene, successor: () => ClientCertificate): boolean {
  let certificate: ClientCertificate;
  try {
    certificate = successor();
  } catch {
    return false;
  }
  const isInstalled = pending.install(certificate, () => {
    step("key in place");
  });
  if (isInstalled) {
    step("installed");
    pending.dropRequest();
  }
  return isInstalled;
}

/** Returns the certificate that the files hold then. */
async function renewCurrent(
  scene: Scene,
  current: ClientCertificate,
  key: KeyObject,
  isForced: boolean,
): Promise<ClientCertificate> {
  const { options, files, pending, lock, step } = scene;
  if (!current.leaf.checkPrivateKey(key)) {
    throw new Refusal("FILE_UNREADABLE", `${files.key} and ${files.cert} do not go together.`);
  }
  const begun = pending.request(key);
  const isDue = options.clock.now() >= current.dueAt || current.fingerprint === options.overdue;
  if (!begun && !isForced && !isDue) return current;
  const request = begun ?? (await prepare(scene, current, key));
  step("request stored");
  const successor = await ask(scene, current, key, request);
  step("answered");
  lock.requireHeld();
  pending.store(successor.pem);
  step("answer stored");
  lock.requireHeld();
  if (!install(scene, () => successor)) {
    throw new Refusal("FILE_UNREADABLE", `${files.key}.next has gone, or does not open.`);
  }
  return successor;
}

function prepare({ options, pending, lock, step }: Scene, current: ClientCertificate, key: KeyObject) {
  return pending.prepare(current, key, {
    sameKey: options.sameKey === true,
    onKey: () => {
      step("key stored");
      lock.requireHeld(); // whoever took it over has put another key there
    },
  });
}

async function ask(
  { options, roots }: Scene,
  current: ClientCertificate,
  currentKey: KeyObject,
  { csr, key }: PendingCsr,
): Promise<ClientCertificate> {
  const ca = roots.map(String).join("");
  const credentials = { key: await keyPem(currentKey, undefined), cert: current.pem, ca };
  const { caUrl, clock, stop } = options;
  const { chain } = await renew(caUrl, credentials, csr, { stop }).catch(async (error: unknown) => {
    throw await tellClocks(error, caUrl, clock);
  });
  const successor = successorFrom(chain, current, roots);
  requireCertificateOf(key, successor.leaf);
  return successor;
}
