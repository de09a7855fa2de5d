import { caHealthOperation, rootsOperation } from "../ca-facts-endpoints.ts";
import { crlOperation } from "../crl-endpoint.ts";
import { enrolOperation } from "../enrol-endpoint.ts";
import { estOperations } from "../est/operations.ts";
import { healthOperations } from "../health.ts";
import { issuerOperation } from "../issuer-endpoint.ts";
import { nonceOperation, proofOperation } from "../key-compromise-endpoint.ts";
import { metricsOperation } from "../metrics-endpoint.ts";
import { ocspOperations } from "../ocsp-endpoint.ts";
import { openApiOperation } from "../openapi-endpoint.ts";
import { renewOperation } from "../renew-endpoint.ts";
import { requestOperation } from "../request-endpoint.ts";
import { revokeOwnOperation } from "../revoke-own-endpoint.ts";
import { enforceOperations } from "./enforce-operations.ts";
import type { Operation } from "./operation.ts";

/** Everything that `serve` answers, in the order in which it is described. */
export const operations: readonly Operation[] = [
  enrolOperation,
  renewOperation,
  requestOperation,
  revokeOwnOperation,
  ...estOperations,
  nonceOperation,
  proofOperation,
  rootsOperation,
  caHealthOperation,
  openApiOperation,
  ...enforceOperations,
  crlOperation,
  issuerOperation,
  ...ocspOperations,
  ...healthOperations,
  metricsOperation,
];
