import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/domain/errors.ts";
import { GroupCommit } from "../../src/services/group-commit.ts";

type Outcome = string | Refusal;

/** A commit that can be held up: it notes its groups, and ends each when it is told to. */
function heldCommit(answer: (job: number) => Outcome = (job) => `done ${String(job)}`) {
  const groups: number[][] = [];
  const held: (() => void)[] = [];
  const commit = async (jobs: readonly number[]): Promise<Outcome[]> => {
    groups.push([...jobs]);
    await new Promise<void>((resolve) => held.push(resolve));
    return jobs.map(answer);
  };
  return { commit, groups, release: () => held.shift()?.() };
}

const turns = async (count = 5): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe("a group commit", () => {
  it("commits a job that comes alone at once, without a timer", async () => {
    const { commit, groups, release } = heldCommit();
    const group = new GroupCommit(commit);
    const done = group.submit(1);
    await turns(2);
    expect(groups).toEqual([[1]]);
    release();
    expect(await done).toBe("done 1");
  });

  it("commits what comes in one turn together, and what comes meanwhile as the next group", async () => {
    const { commit, groups, release } = heldCommit();
    const group = new GroupCommit(commit);
    const first = [1, 2, 3].map((job) => group.submit(job));
    await turns();
    const second = [4, 5].map((job) => group.submit(job));
    await turns();
    expect(groups).toEqual([[1, 2, 3]]);
    release();
    await turns();
    expect(groups).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    release();
    expect(await Promise.all([...first, ...second])).toEqual(
      [1, 2, 3, 4, 5].map((job) => `done ${String(job)}`),
    );
  });

  it("answers nobody before the commit", async () => {
    const { commit, release } = heldCommit();
    const group = new GroupCommit(commit);
    let answered = 0;
    const all = [1, 2, 3].map((job) => group.submit(job).then(() => (answered += 1)));
    await turns(20);
    expect(answered).toBe(0);
    release();
    await Promise.all(all);
    expect(answered).toBe(3);
  });

  it("refuses one and not its neighbours", async () => {
    const { commit, release } = heldCommit((job) => (job === 2 ? new Refusal("TOKEN_USED") : "done"));
    const group = new GroupCommit(commit);
    const all = Promise.allSettled([1, 2, 3].map((job) => group.submit(job)));
    await turns();
    release();
    expect((await all).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("tries each by itself when the group breaks, so that only the one that breaks it fails", async () => {
    const groups: number[][] = [];
    const group = new GroupCommit<number, string>((jobs) => {
      groups.push([...jobs]);
      if (jobs.includes(2)) return Promise.reject(new Error("UNIQUE constraint failed"));
      return Promise.resolve(jobs.map(() => "done"));
    });
    const outcomes = await Promise.allSettled([1, 2, 3].map((job) => group.submit(job)));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(groups).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  it("fails all together when the database is gone, asks once, and goes on afterwards", async () => {
    let isGone = true;
    let asked = 0;
    const group = new GroupCommit<number, string>((jobs) => {
      asked += 1;
      return isGone ? Promise.reject(new Refusal("UNAVAILABLE")) : Promise.resolve(jobs.map(() => "done"));
    });
    const outcomes = await Promise.allSettled([1, 2, 3].map((job) => group.submit(job)));
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
    expect(asked).toBe(1);
    isGone = false;
    expect(await group.submit(4)).toBe("done");
  });

  it("takes no more than a bounded number at once", async () => {
    const sizes: number[] = [];
    const group = new GroupCommit<number, string>((jobs) => {
      sizes.push(jobs.length);
      return Promise.resolve(jobs.map(() => "done"));
    });
    await Promise.all(Array.from({ length: 600 }, (_, job) => group.submit(job)));
    expect(sizes).toEqual([250, 250, 100]);
  });
});
