import type { Step } from "../../src/services/issue/parts.ts";

const steps: Readonly<Record<Step, true>> = {
  parse: true,
  "verify-possession": true,
  "key-policy": true,
  profile: true,
  intent: true,
  sign: true,
  compare: true,
  record: true,
  answer: true,
};

/** Every step of issuing: one that is added has to be added here. */
export const allSteps = Object.keys(steps) as readonly Step[];
