import { Refusal } from "../domain/errors.ts";

/** Enough for any load, and few enough bound values for every database. */
const LARGEST_GROUP = 250;

interface Waiting<Job, Result> {
  readonly job: Job;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Lets jobs that come at the same time share a transaction. The first to come doesn't wait: what comes while a group is
 * being committed is the next group. Nobody gets an answer before the commit.
 */
export class GroupCommit<Job, Result> {
  readonly #commit: (jobs: readonly Job[]) => Promise<readonly (Result | Refusal)[]>;
  #waiting: Waiting<Job, Result>[] = [];
  #isBusy = false;

  /** @param commit does all jobs in one transaction; returns a result, or a refusal, for each in their order */
  constructor(commit: (jobs: readonly Job[]) => Promise<readonly (Result | Refusal)[]>) {
    this.#commit = commit;
  }

  submit(job: Job): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      if (this.#isBusy) return;
      this.#isBusy = true;
      // Not a timer: whatever the event loop has at hand joins, and then it goes on.
      setImmediate(() => void this.#work());
    });
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#commitTogether(this.#waiting.splice(0, LARGEST_GROUP));
      // Those just answered go on first, and what they ask for next joins: fewer, larger groups.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#isBusy = false;
  }

  async #commitTogether(group: readonly Waiting<Job, Result>[]): Promise<void> {
    try {
      const results = await this.#commit(group.map(({ job }) => job));
      group.forEach(({ resolve, reject }, index) => {
        const result = results[index];
        if (result instanceof Refusal) reject(result);
        else resolve(result as Result);
      });
    } catch (error) {
      const isForAll = group.length === 1 || error instanceof Refusal; // a database that is gone, say
      if (isForAll) for (const { reject } of group) reject(error);
      // One of them breaks the transaction: it alone is to fail, and it is found by trying each by itself.
      else for (const one of group) await this.#commitTogether([one]);
    }
  }
}
