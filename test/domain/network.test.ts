import { expect, test } from "vitest";
import { groupsBeside, networkOf } from "../../src/domain/network.ts";

test.each([
  ["192.0.2.7", "192.0.2.7", 1, "192.0.2.7"],
  ["unknown", "unknown", 1, "unknown"],
  ["2001:db8:0:42ff::/64", "2001:db8:0:4200::/64", 256, "2001:db8:0:42ff::/64"],
  ["2001:db8:0:0::/64", "2001:db8:0:0::/64", 256, "2001:db8:0:ff::/64"],
  ["2001:db8:0:ffff::/64", "2001:db8:0:ff00::/64", 256, "2001:db8:0:ffff::/64"],
])("%s is in the network of %s, with %i groups to %s", (group, first, count, last) => {
  const groups = groupsBeside(group);
  expect([networkOf(group), groups[0], groups.length, groups.at(-1)]).toEqual([first, first, count, last]);
  expect(groups).toContain(group);
});
