import type { Registry } from "prom-client";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import type { UseRecorder } from "../enforce/use-recorder.ts";
import { type EndedUse, RetiredUse, type RetiredUseParts } from "../services/retired-use.ts";
import { Retirement } from "../services/retirement.ts";
import { CloneAlarms, logCloneAlarm } from "./clone-alarms.ts";

interface RenewalsParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly use: Pick<UseRecorder, "hasUsed">;
}

/** What comes after renewals in a server that follows the changes: retiring, noticing who calls with what was retired, telling. */
export class Renewals {
  readonly #retirement: Retirement;
  readonly #retiredUse: RetiredUse;
  readonly #alarms: CloneAlarms;

  constructor(parts: RenewalsParts) {
    this.#retirement = new Retirement(parts);
    this.#retiredUse = retiredUse(parts);
    this.#alarms = new CloneAlarms(parts.logger);
  }

  /** Retires from now on, beginning with what has become due while no server ran. */
  start(): void {
    this.#retirement.start();
  }

  onChanges(changes: readonly Change[]): void {
    this.#retirement.onChanges(changes);
    this.#alarms.onChanges(changes);
  }

  onEnded(use: EndedUse): void {
    this.#retiredUse.saw(use);
  }

  register(registry: Registry): void {
    this.#alarms.register(registry);
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    await Promise.all([this.#retirement.stop(), this.#retiredUse.stop()]);
  }
}

/** Notices who calls with what was retired, in a process that follows no alarms: it tells only of those that it raises. */
export function retiredUseAlone(parts: RenewalsParts): RetiredUse {
  return retiredUse(parts, (sign) => {
    logCloneAlarm(parts.logger, sign);
  });
}

function retiredUse({ use, ...parts }: RenewalsParts, onAlarm?: RetiredUseParts["onAlarm"]): RetiredUse {
  return new RetiredUse({ ...parts, wasUsed: (fingerprint) => use.hasUsed(fingerprint), onAlarm });
}
