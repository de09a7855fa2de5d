import { Counter, Gauge, Histogram, type Registry } from "prom-client";

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

/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

/**
 * Registers what became of calls that have a route.
 *
 * @param open calls under way, by route
 * @param down upstreams that are not well
 * @returns to be told of each call when it is over
 */
export function registerGatewayMetrics(
  registry: Registry,
  read: { readonly open: () => ReadonlyMap<string, number>; readonly down: () => readonly string[] },
): (call: Call) => void {
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
    ...{ labelNames: ["route"], buckets: BUCKETS },
  });
  new Gauge({
    ...{ ...shared, name: "countersign_gateway_open", help: "Calls and upgraded connections under way." },
    labelNames: ["route"],
    collect() {
      this.reset();
      for (const [route, count] of read.open()) this.set({ route }, count);
    },
  });
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
  return ({ route, account, status, code, duration, received, sent }) => {
    calls.inc({ route, account, status: String(status), code: code ?? "" });
    octets.inc({ route, account, direction: "received" }, received);
    octets.inc({ route, account, direction: "sent" }, sent);
    seconds.observe({ route }, duration / 1000);
  };
}
