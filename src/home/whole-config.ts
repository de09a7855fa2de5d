import { refuseConfig } from "../config-fields.ts";
import type { Config, ConfigReading } from "../config.ts";
import type { Instant } from "../domain/time.ts";
import { upstreamFileFaults } from "./gateway.ts";
import { readTrust } from "./trust.ts";

/**
 * A configuration in which nothing is wrong, nor with the files that it names.
 *
 * @throws Refusal CONFIG_INVALID, naming every fault of both
 */
export function wholeConfig({ home, config, faults, sound }: ConfigReading, now: Instant): Config {
  const ofTrust = readTrust(home, sound.trust, now).faults;
  const all = [...faults, ...ofTrust, ...upstreamFileFaults(home, sound.upstreams)];
  return config && all.length === 0 ? config : refuseConfig(all);
}
