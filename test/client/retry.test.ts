import { expect, test } from "vitest";
import { retryAfter } from "../../src/client/renewal/retry.ts";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";

test.each<[string, number, ErrorCode, number | undefined, [least: number, most: number]]>([
  ["at first", 1, "UNAVAILABLE", 8 * HOUR, [2.5 * SECOND, 5 * SECOND]],
  ["then twice as long", 3, "SERVER_UNREACHABLE", 8 * HOUR, [10 * SECOND, 20 * SECOND]],
  ["up to a minute", 30, "SERVER_UNREACHABLE", 15 * MINUTE, [30 * SECOND, MINUTE]],
  ["or to a twentieth of what is left", 30, "FILE_UNREADABLE", 10 * HOUR, [15 * MINUTE, 30 * MINUTE]],
  ["but no more than an hour", 3000, "FILE_UNREADABLE", 1000 * HOUR, [30 * MINUTE, HOUR]],
  ["three times before the end", 30, "UNAVAILABLE", 30 * SECOND, [10 * SECOND, 10 * SECOND]],
  ["and not without a pause", 1, "UNAVAILABLE", 5, [SECOND, SECOND]],
  ["each minute after it", 30, "UNAVAILABLE", -HOUR, [30 * SECOND, MINUTE]],
  ["or when nobody knows when that is", 30, "FILE_UNREADABLE", undefined, [30 * SECOND, MINUTE]],
  ["where an admin is needed, slowly", 1, "CERT_SUSPENDED", 8 * HOUR, [30 * SECOND, MINUTE]],
  ["up to an hour", 30, "CERT_SUSPENDED", 8 * HOUR, [30 * MINUTE, HOUR]],
  ["but before the end all the same", 30, "ACCOUNT_SUSPENDED", 6 * MINUTE, [2 * MINUTE, 2 * MINUTE]],
  ["and hourly after it", 30, "CERT_EXPIRED", -HOUR, [30 * MINUTE, HOUR]],
])("it tries again %s", (_name, failures, code, left, bounds) => {
  expect([0, 1].map((random) => retryAfter(failures, { code, left }, random))).toEqual(bounds);
});
