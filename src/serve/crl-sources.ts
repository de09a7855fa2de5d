import { readFile, stat } from "node:fs/promises";
import { HOUR, type Instant, MINUTE, SECOND } from "../domain/time.ts";

/** Of a CRL, in octets. */
const LARGEST = 64 * 1024 * 1024;
const PATIENCE = 20 * SECOND;

/** Where another CA's CRL comes from. */
export interface CrlSource {
  /** Whether somebody else's server has to answer. */
  readonly isRemote: boolean;
  /**
   * What is there, when it is something else than the last time, or is asked for again; else `undefined`.
   *
   * @param nextUpdate of the list that is held
   * @throws Error when it cannot be had now
   */
  read(now: Instant, nextUpdate: Instant | undefined): Promise<Buffer | undefined>;
  stop(): void;
}

export function crlSource(named: string): CrlSource {
  return /^https?:\/\//i.test(named) ? new UrlSource(named) : new FileSource(named);
}

class FileSource implements CrlSource {
  readonly isRemote = false;
  readonly #path: string;
  #seen = "";

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Buffer | undefined> {
    const { mtimeMs, ctimeMs, size, ino } = await stat(this.#path);
    const seen = [mtimeMs, ctimeMs, size, ino].join();
    if (seen === this.#seen) return undefined;
    if (size > LARGEST) throw new Error("it is larger than 64 MiB");
    const bytes = await readFile(this.#path);
    this.#seen = seen;
    return bytes;
  }

  stop(): void {
    // Nothing is under way for long.
  }
}

/** Asked each hour, and when half of what is left of the list's life has passed; each minute as long as that fails. */
class UrlSource implements CrlSource {
  readonly isRemote = true;
  readonly #url: string;
  readonly #stopping = new AbortController();
  #askedAt: Instant | undefined;
  #hasFailed = false;
  /** Of what was last got, so that it need not be sent again (RFC 9110 §13.1). */
  #validators: Record<string, string> = {};

  constructor(url: string) {
    this.#url = url;
  }

  async read(now: Instant, nextUpdate: Instant | undefined): Promise<Buffer | undefined> {
    if (this.#askedAt !== undefined && now < this.#askedAt + this.#pause(this.#askedAt, nextUpdate))
      return undefined;
    this.#askedAt = now;
    this.#hasFailed = true;
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(PATIENCE)]);
    const response = await fetch(this.#url, { headers: this.#validators, redirect: "error", signal });
    if (response.status === 304) {
      this.#hasFailed = false;
      return undefined;
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`its URL answers ${String(response.status)}`);
    }
    const bytes = await boundedBody(response);
    this.#validators = validatorsOf(response.headers);
    this.#hasFailed = false;
    return bytes;
  }

  stop(): void {
    this.#stopping.abort();
  }

  #pause(asked: Instant, nextUpdate: Instant | undefined): number {
    if (this.#hasFailed || nextUpdate === undefined) return MINUTE;
    return Math.min(HOUR, Math.max(MINUTE, (nextUpdate - asked) / 2));
  }
}

async function boundedBody(response: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const body = response.body as AsyncIterable<Uint8Array> | null;
  for await (const part of body ?? []) {
    size += part.length;
    if (size > LARGEST) throw new Error("it is larger than 64 MiB");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function validatorsOf(headers: Headers): Record<string, string> {
  const [tag, modified] = [headers.get("etag"), headers.get("last-modified")];
  return {
    ...(tag !== null && { "If-None-Match": tag }),
    ...(modified !== null && { "If-Modified-Since": modified }),
  };
}
