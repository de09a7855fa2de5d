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

/** So many accounts are told apart; what comes after them is counted together, as no account is called. */
const MOST = 1000;
const OTHER = "_other";

/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

/**
 * Registers what became of calls that have a route.
 *
 * @param open calls under way, by route
 * @param down upstreams that are not well
 * @returns what is to be told: of each call when it is over, and of each that is denied
 */
export function registerGatewayMetrics(
  registry: Registry,
  read: { readonly open: () => ReadonlyMap<string, number>; readonly down: () => readonly string[] },
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
  const denials = new Counter({
    ...{ ...shared, name: "countersign_gateway_denials_total", help: "Calls of a route that were denied." },
    labelNames: ["route", "account", "code"],
  });
  const accounts = new Set<string>();
  const nameOf = (account: string): string => {
    if (!accounts.has(account) && accounts.size >= MOST) return OTHER;
    accounts.add(account);
    return account;
  };
  const onCall = ({ route, account: slug, status, code, duration, received, sent }: Call): void => {
    const account = nameOf(slug);
    calls.inc({ route, account, status: String(status), code: code ?? "" });
    octets.inc({ route, account, direction: "received" }, received);
    octets.inc({ route, account, direction: "sent" }, sent);
    seconds.observe({ route }, duration / 1000);
  };
  return {
    onCall,
    onDenied({ route, account, code }) {
      denials.inc({ route, account: account === undefined ? "" : nameOf(account), code });
    },
  };
}
