import { setTimeout } from "node:timers/promises";
import { type TestCredential, call, keepAlive } from "./client.ts";
import { eventually } from "./eventually.ts";

/** Between a call and the next: several callers and a server share a small machine. */
const PAUSE = 40;

/** A client that goes on calling, each address over a kept-alive connection and over new ones, until it is stopped. */
export class Caller {
  /** What every call came to: a status, or the error of a connection that failed. */
  readonly outcomes: (number | string)[] = [];
  readonly #loops: { readonly work: Promise<void>; credential: TestCredential; calls: number }[] = [];
  #credential: TestCredential;
  #stopped = false;

  constructor(credential: TestCredential, urls: readonly string[]) {
    this.#credential = credential;
    for (const url of urls) {
      for (const keep of [true, false]) this.#start(url, keep);
    }
  }

  /** Goes on with another credential; afterwards no call is under way with the one before. */
  async use(credential: TestCredential): Promise<void> {
    this.#credential = credential;
    await eventually(() => {
      if (this.#loops.some((loop) => loop.credential !== credential)) throw new Error("still with the old");
    });
  }

  /** Waits until each kind of call was made a few times more. */
  async goOn(): Promise<void> {
    const wanted = this.#loops.map(({ calls }) => calls + 2);
    await eventually(() => {
      if (this.#loops.some(({ calls }, index) => calls < (wanted[index] ?? 0))) throw new Error("it hangs");
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops.map(({ work }) => work));
  }

  #start(url: string, keep: boolean): void {
    const loop = { work: Promise.resolve(), credential: this.#credential, calls: 0 };
    this.#loops.push(loop);
    loop.work = (async () => {
      let agent = keepAlive(loop.credential, { keepAlive: keep });
      while (!this.#stopped) {
        if (loop.credential !== this.#credential) {
          agent.destroy();
          agent = keepAlive(this.#credential, { keepAlive: keep });
          loop.credential = this.#credential;
        }
        await call(url, { agent }).then(
          ({ status }) => this.outcomes.push(status),
          (error: unknown) => this.outcomes.push(String(error)),
        );
        loop.calls += 1;
        await setTimeout(PAUSE);
      }
      agent.destroy();
    })();
  }
}
