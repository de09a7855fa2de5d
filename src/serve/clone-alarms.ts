import { Counter, type Registry } from "prom-client";
import type { Logger } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import type { CloneSign } from "../services/clone-alarm.ts";

/** Says that a key may have been copied. */
export function logCloneAlarm(logger: Pick<Logger, "error">, sign: CloneSign): void {
  logger.error(
    { ...sign },
    "clone alarm: a key may have been copied; the credentials that came of it are suspended",
  );
}

/** Tells of every clone alarm, whichever process has raised it: it is one of the changes that are followed. */
export class CloneAlarms {
  readonly #logger: Pick<Logger, "error">;
  readonly #counts = new Map<string, number>([
    ["renewed-twice", 0],
    ["retired-used", 0],
  ]);

  constructor(logger: Pick<Logger, "error">) {
    this.#logger = logger;
  }

  onChanges(changes: readonly Change[]): void {
    for (const { action, subject, detail } of changes) {
      if (action !== "credential.clone") continue;
      const sign = { ...detail, line: subject } as unknown as CloneSign;
      this.#counts.set(sign.cause, (this.#counts.get(sign.cause) ?? 0) + 1);
      logCloneAlarm(this.#logger, sign);
    }
  }

  register(registry: Registry): void {
    const counts = this.#counts;
    new Counter({
      name: "countersign_clone_alarms_total",
      help: "Clone alarms that this server has followed, by cause.",
      labelNames: ["cause"],
      registers: [registry],
      collect() {
        this.reset();
        for (const [cause, count] of counts) this.inc({ cause }, count);
      },
    });
  }
}
