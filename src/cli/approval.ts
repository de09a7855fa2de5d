import { setTimeout as sleep } from "node:timers/promises";
import type { OtherWay } from "../client/enrol/enroll-files.ts";
import {
  type Pending,
  approvalCommand,
  awaitApproval,
  requireRequestsTaken,
} from "../client/enrol/request.ts";
import type { Refusal } from "../domain/errors.ts";

/** How `enroll` gets a certificate without a token: it says on standard error what an admin has to do, and waits. */
export function withoutToken(options: {
  readonly caUrl: string;
  readonly wait: boolean;
  readonly json?: boolean;
}): OtherWay {
  const onPending = (pending: Pending): void => {
    process.stderr.write(`${options.json ? JSON.stringify(shown(pending)) : text(pending)}\n`);
  };
  const onFault = ({ code, message }: Refusal): void => {
    const shown = options.json
      ? JSON.stringify({ event: "fault", code, message })
      : `${message} Trying again.`;
    process.stderr.write(`${shown}\n`);
  };
  const { caUrl } = options;
  const watch = { onPending, onFault, pause: sleep, isToWait: options.wait };
  return {
    requirePossible: (root) => requireRequestsTaken(caUrl, root),
    ask: (root, csr) => awaitApproval(caUrl, root, csr, watch),
  };
}

function shown({ keyFingerprint, expiresAt }: Pending) {
  return { event: "pending", keyFingerprint, expiresAt };
}

function text(pending: Pending): string {
  return [
    `Key fingerprint: ${pending.keyFingerprint}`,
    "Read it out to an admin of the CA, who compares and types:",
    `  ${approvalCommand(pending)}`,
    `Waiting until ${pending.expiresAt}. After Ctrl-C, the same command comes back to this request.`,
  ].join("\n");
}
