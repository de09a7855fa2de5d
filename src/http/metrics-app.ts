import type { Express } from "express";
import { Counter, Gauge, Registry, collectDefaultMetrics } from "prom-client";
import { Refusal } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import type { CrlStanding } from "../services/crl-publisher.ts";
import { plainApp } from "./app.ts";
import { type DecisionReads, registerDecisionGauges } from "./decision-gauges.ts";
import { finish, methodNotAllowed } from "./errors.ts";
import { addHealth } from "./health.ts";
import { metricsEndpoint } from "./metrics-endpoint.ts";

export interface Metrics {
  readonly registry: Registry;
  /** By code; ALLOWED for calls that were let through. */
  readonly decisions: Counter<"code">;
  /** Enrolments by outcome: ISSUED, or the code of the refusal. */
  readonly enrolments: Counter<"code">;
  /** Renewals, the same. */
  readonly renewals: Counter<"code">;
  /** By status of each certificate asked about, or by the failure. */
  readonly ocspAnswers: Counter<"status">;
}

/** Of one issuer's CRL, by the issuer's name. */
export type CrlGauges = Omit<CrlStanding, "issuerId"> & { readonly name: string };

/** @param read what the gauges show when they are asked */
export function createMetrics(
  read: DecisionReads & {
    readonly issuerSeconds: () => readonly { readonly name: string; readonly left: number }[];
    readonly crls: () => readonly CrlGauges[];
  },
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerDecisionGauges(registry, read);
  new Gauge({
    name: "countersign_issuer_seconds_left",
    help: "Time until a CA's certificate ends.",
    labelNames: ["issuer"],
    registers: [registry],
    collect() {
      for (const { name, left } of read.issuerSeconds()) this.set({ issuer: name }, left);
    },
  });
  const crlGauge = (name: string, help: string, value: (crl: CrlGauges) => number | undefined): Gauge =>
    new Gauge({
      name: `countersign_crl_${name}`,
      help,
      labelNames: ["issuer"],
      registers: [registry],
      collect() {
        for (const crl of read.crls()) {
          const shown = value(crl);
          if (shown !== undefined) this.set({ issuer: crl.name }, shown);
        }
      },
    });
  crlGauge("number", "Number of the CRL that is served.", ({ number }) => number);
  crlGauge("age_seconds", "Time since its thisUpdate.", ({ age }) => age);
  crlGauge("seconds_left", "Time until its nextUpdate.", ({ left }) => left);
  crlGauge("entries", "Entries of the last one made here.", ({ entries }) => entries);
  crlGauge("delta_entries", "Entries of its delta.", ({ deltaEntries }) => deltaEntries);
  crlGauge("build_seconds", "What it took to make.", ({ buildSeconds }) => buildSeconds);
  const counter = <Label extends string>(name: string, help: string, label: Label): Counter<Label> =>
    new Counter({ name, help, labelNames: [label], registers: [registry] });
  return {
    registry,
    decisions: counter("countersign_decisions_total", "Decisions on requests, by code.", "code"),
    enrolments: counter("countersign_enrolments_total", "Enrolments, by outcome.", "code"),
    renewals: counter("countersign_renewals_total", "Renewals, by outcome.", "code"),
    ocspAnswers: counter("countersign_ocsp_answers_total", "OCSP answers, by status.", "status"),
  };
}

/**
 * The metrics listener: for whoever can reach it, so it listens on loopback by default.
 *
 * @param unreadiness where no other listener says how the process is: what it lacks; nothing, if undefined
 */
export function metricsApp(
  metrics: Pick<Metrics, "registry">,
  logger: Logger,
  unreadiness?: () => string | undefined,
): Express {
  const app = plainApp();
  app.route("/metrics").get(metricsEndpoint(metrics.registry)).all(methodNotAllowed("GET", "HEAD"));
  if (unreadiness) addHealth(app, unreadiness);
  finish(app, logger);
  return app;
}

/** Does the work and counts it: as ISSUED, or by the code of the refusal. */
export async function countOutcome<Result>(
  counter: Counter<"code">,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    const result = await work();
    counter.inc({ code: "ISSUED" });
    return result;
  } catch (error) {
    counter.inc({ code: error instanceof Refusal ? error.code : "INTERNAL" });
    throw error;
  }
}
