import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes longest, in that order; of a clean clone's tests nobody knows yet how long they took. */
const long = [
  "docs",
  "bench",
  "cli/init",
  "interop/killed-at-each-step",
  "interop/pkcs12",
  "services/one-story",
  "cli/renew-daemon",
  "project",
];

/** Begins with what takes longest, so that nothing runs alone at the end. */
export default class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = long.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return place < 0 ? long.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
