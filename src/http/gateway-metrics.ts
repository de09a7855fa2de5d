import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { BoundedNames } from "../domain/bounded-names.ts";

/** A call that is over; milliseconds and octets. */
interface Call {
  readonly route: string;
  readonly account: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly duration: number;
  readonly received: number;
  readonly sent: number;
}

/** What is under way on a route, of one account or all that are not told apart. */
interface Open {
  readonly route: string;
  readonly account: string;
  readonly calls: number;
  readonly upgraded: number;
}

/** Of these alone there is a histogram: putting one of a thousand accounts into text would hold calls up for half a second. */
const MOST_TIMED = 100;
/** Seconds. Few: each is a series for every route and account. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30];

/**
 * Registers what became of calls that have a route.
 *
 * @param open what is under way; of a bounded number of accounts
 * @param down upstreams that are not well
 * @returns what is to be told: of each call when it is over, and of each that is denied
 */
export function registerGatewayMetrics(
  registry: Registry,
  read: { readonly open: () => readonly Open[]; readonly down: () => readonly string[] },
): {
  readonly onCall: (call: Call) => void;
  readonly onDenied: (
    denied: Pick<Call, "route"> & { readonly account: string | undefined; readonly code: string },
  ) => void;
} {
  const shared = { registers: [registry] };
  const calls = new Counter({
    ...{
      ...shared,
      name: "countersign_gateway_calls_total",
      help: "Calls that upstreams were asked to answer.",
    },
    labelNames: ["route", "account", "status", "code"],
  });
  const octets = new Counter({
    ...{ ...shared, name: "countersign_gateway_octets_total", help: "Octets of bodies." },
    labelNames: ["route", "account", "direction"],
  });
  const seconds = new Histogram({
    ...{ ...shared, name: "countersign_gateway_seconds", help: "From a call to the end of its answer." },
    ...{ labelNames: ["route", "account"], buckets: BUCKETS },
  });
  const openGauge = (name: string, help: string, count: "calls" | "upgraded"): Gauge =>
    new Gauge({
      ...{ ...shared, name, help, labelNames: ["route", "account"] },
      collect() {
        this.reset();
        for (const open of read.open()) {
          const { route, account } = open;
          this.set({ route, account }, open[count]);
        }
      },
    });
  openGauge("countersign_gateway_open", "Calls under way.", "calls");
  openGauge("countersign_gateway_upgraded_open", "Open connections that have left HTTP.", "upgraded");
  new Gauge({
    ...{
      ...shared,
      name: "countersign_gateway_upstream_down",
      help: "1 for each upstream that is not well.",
    },
    labelNames: ["upstream"],
    collect() {
      this.reset();
      for (const upstream of read.down()) this.set({ upstream }, 1);
    },
  });
  const denials = new Counter({
    ...{ ...shared, name: "countersign_gateway_denials_total", help: "Calls of a route that were denied." },
    labelNames: ["route", "account", "code"],
  });
  const names = new BoundedNames();
  const timed = new BoundedNames(MOST_TIMED);
  const onCall = ({ route, account: slug, status, code, duration, received, sent }: Call): void => {
    const account = names.of(slug);
    calls.inc({ route, account, status: String(status), code: code ?? "" });
    octets.inc({ route, account, direction: "received" }, received);
    octets.inc({ route, account, direction: "sent" }, sent);
    seconds.observe({ route, account: timed.of(slug) }, duration / 1000);
  };
  return {
    onCall,
    onDenied({ route, account, code }) {
      denials.inc({ route, account: account === undefined ? "" : names.of(account), code });
    },
  };
}
