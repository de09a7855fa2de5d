/** Why an enrolment or a signing was refused (HTTP status, sentence for whoever asked). */
const issuing = {
  TOKEN_REQUIRED: [401, "Send an enrolment token as 'Authorization: Bearer cst_…'."],
  TOKEN_MALFORMED: [401, "This is not an enrolment token."],
  TOKEN_UNKNOWN: [401, "No such enrolment token."],
  TOKEN_USED: [403, "This enrolment token was used already, with another CSR. Ask for a new one."],
  TOKEN_EXPIRED: [403, "This enrolment token has expired. Ask for a new one."],
  TOKEN_REVOKED: [403, "This enrolment token was revoked. Ask for a new one."],
  TOKEN_ADDRESS: [403, "This enrolment token cannot be used from this address. Ask for one that can."],
  TOKEN_KEY: [403, "This enrolment token is for another key. Use that key, or ask for a token for this one."],
  BODY_MALFORMED: [400, "The request body is not what this route takes."],
  BODY_TOO_LARGE: [413, "The request body is larger than this route takes."],
  CSR_MALFORMED: [400, "The CSR is not one PKCS#10 request in PEM or DER."],
  CSR_SIGNATURE_INVALID: [400, "The CSR's signature does not verify with the key in it."],
  KEY_UNSUPPORTED: [400, "Keys of this type are not signed here."],
  KEY_WEAK: [400, "This key is too weak to be signed."],
  KEY_BLOCKED: [403, "This key is blocked. Make a new one."],
  KEY_IN_USE: [409, "This key belongs to somebody else. Make a new one."],
  PROFILE_UNKNOWN: [400, "No such profile for this request."],
  PROFILE_UNFIT: [400, "The profile does not fit this account."],
  VALIDITY_INVALID: [400, "notAfter is not within what the profile allows."],
  NOT_FOUND: [404, "Nothing here goes by that name."],
  METHOD_NOT_ALLOWED: [405, "This route does not take that method."],
  UNAVAILABLE: [503, "The service cannot do this right now. Nothing was changed; try again later."],
  INTERNAL: [500, "Something went wrong on our side. Nothing was granted."],
} as const;

/** Why there is no certificate for a request without a token, besides. */
const requesting = {
  REQUEST_PENDING: [409, "The request waits for an admin. Ask again later, with the same CSR."],
  REQUEST_DENIED: [403, "An admin has denied this request. Make another key, or ask for a token."],
  REQUEST_LIMIT: [429, "Too many requests wait for an admin already. Try again later."],
} as const;

/** Why a renewal was refused, besides. */
const renewing = {
  RENEWED_BEFORE: [
    409,
    "This certificate was renewed before: its key may have been copied. Its line is suspended. Tell an admin; do not try again.",
  ],
  NOT_RENEWABLE: [403, "This certificate was not issued here, and is not renewed here."],
  NAMES_CHANGED: [
    400,
    "A re-enrolment keeps the names that the certificate has (RFC 7030 §4.2.2). Ask for the same ones, or for none.",
  ],
} as const;

/** Why EST makes no key (RFC 7030 §4.4). */
const keyGeneration = {
  KEYGEN_REFUSED: [
    403,
    "No private key is made here, on purpose: a key is its client's alone. Make one, and send a CSR to /simpleenroll.",
  ],
} as const;

/** Why a revocation over HTTP was refused, besides. */
const revoking = {
  NOT_OWN_CREDENTIAL: [403, "A credential may revoke itself, and no other."],
  NONCE_UNKNOWN: [403, "This server has not given that nonce. Ask for one: POST /v1/key-compromise."],
  NONCE_EXPIRED: [403, "The nonce has expired. Ask for a new one."],
  NONCE_USED: [403, "The nonce was used already. Ask for a new one."],
  PROOF_INVALID: [403, "The signature does not verify with the public key over the nonce's message."],
} as const;

/** Why a call was refused, in the order in which the decision asks. */
const denials = {
  CERT_REQUIRED: [401, "Present a client certificate in the TLS handshake."],
  CERT_UNTRUSTED: [401, "The client certificate does not lead to a CA that is trusted here."],
  CERT_PURPOSE: [
    403,
    "The certificate presented is not a client's: its extended key usage lacks clientAuth.",
  ],
  CERT_UNKNOWN: [403, "The certificate is signed by a CA trusted here, but is not on record."],
  CERT_NOT_YET_VALID: [403, "The certificate is not valid yet. Check the clocks."],
  CERT_EXPIRED: [403, "The certificate has expired. Enrol again for a new one."],
  CERT_REVOKED: [403, "The certificate was revoked, for good. Use its successor, or enrol with a new key."],
  CERT_SUSPENDED: [403, "The certificate is suspended. An admin can resume it."],
  ACCOUNT_SUSPENDED: [403, "The account is suspended. An admin can resume it."],
  ADDRESS_NOT_ALLOWED: [403, "The account or the credential may not be used from this address."],
  SCOPE_MISSING: [403, "The credential lacks a scope that this call needs."],
  RATE_LIMITED: [429, "Too many requests. Wait, then try again."],
  CONNECTION_LIMIT: [429, "Too many connections at once."],
  STATUS_UNAVAILABLE: [503, "The certificate's status cannot be established right now. Try again later."],
  MISDIRECTED: [421, "The host asked for is not the one named in the TLS handshake."],
  NO_ROUTE: [404, "There is nothing at this path."],
} as const;

/** Of what a request has too much, besides its body. */
const excess = {
  HEADERS_TOO_LARGE: [431, "The request's headers are more, or larger, than are taken here."],
} as const;

/** Why a call that was let through has no answer of its upstream's. */
const proxying = {
  TARGET_AMBIGUOUS: [400, "The request's target can be read in more than one way."],
  UPGRADE_REFUSED: [403, "Connections do not leave HTTP that way here."],
  GATEWAY_LOOP: [508, "The request has come back to where it was sent on from."],
  UPSTREAM_UNREACHABLE: [502, "The service behind this one cannot be reached."],
  UPSTREAM_FAILED: [502, "The service behind this one did not answer as it should."],
  UPSTREAM_TIMEOUT: [504, "The service behind this one did not answer in time."],
} as const;

/** Why an admin's command was refused. */
const administration = {
  SLUG_INVALID: [400, "A name is 1 to 63 of a-z, 0-9 and '-', and starts with a letter or digit."],
  SCOPE_INVALID: [400, "A scope is 1 to 64 of a-z, 0-9 and '.:_/-', such as orders:read."],
  CIDR_INVALID: [400, "An address range is written like 192.0.2.0/24 or 2001:db8::/32."],
  RATE_INVALID: [400, "A rate is written like 100/1m: so many requests in so much time, up to a day."],
  LIMIT_INVALID: [400, "A limit of connections is a number from 1 to a million."],
  USES_INVALID: [400, "A number of uses is from 1 to 100,000."],
  REQUEST_DECIDED: [409, "The request was decided on before. Nothing was changed."],
  REQUEST_ENDED: [409, "The request has ended. Its client has to send it again."],
  CREDENTIAL_ENDED: [409, "The certificate has ended, or is none of an account: nothing can be changed."],
  ADDRESS_INVALID: [400, "An address is written like 192.0.2.1 or 2001:db8::1."],
  DNS_NAME_INVALID: [
    400,
    "A DNS name is written like db.example.internal, or .example.internal for all below.",
  ],
  DURATION_INVALID: [400, "A duration is written like 90s, 15m, 24h or 30d."],
  TIME_INVALID: [400, "A time is written in RFC 3339, such as 2030-01-31T12:00:00Z."],
  ID_MALFORMED: [400, "Name a certificate by its fingerprint, its serial number, or its file."],
  ID_AMBIGUOUS: [409, "That matches more than one certificate. Use the fingerprint."],
  REASON_UNKNOWN: [400, "No such revocation reason."],
  NOTE_INVALID: [400, "A note is one line of 1 to 500 characters."],
  ISSUER_EXISTS: [409, "An issuer of that name, or with that key, exists already."],
  ISSUER_INVALID: [400, "The issuing CA's certificate or request cannot be used."],
  ISSUER_NEEDED: [409, "A profile still has that issuer sign. Change the profile first."],
  CREDENTIAL_INVALID: [400, "The certificate cannot be registered."],
  CREDENTIAL_EXISTS: [409, "This certificate is on record already. Nothing was changed."],
  CRL_INVALID: [400, "The CRL cannot be used."],
  COMMAND_FAILED: [500, "The command that was to run afterwards failed."],
  ACCOUNT_EXISTS: [409, "An account of that name exists already."],
  STATE_UNCHANGED: [409, "It is in that state already. Nothing was changed."],
  LIST_INCOMPLETE: [409, "Some of the list could not be done; the report says which."],
  ALREADY_REVOKED: [409, "It was revoked before. Nothing was changed."],
  HOME_INITIALISED: [409, "This home is initialised already. Nothing was changed."],
  HOME_MISSING: [404, "This home is not initialised. Run 'countersign init' first."],
  CONFIG_INVALID: [400, "The configuration is not valid."],
  FILE_UNREADABLE: [400, "A file cannot be read or written."],
  FILE_EXISTS: [409, "A file is there already. Nothing was changed."],
  STATE_WENT_BACK: [409, "The database is older than what was seen of it before: nothing is served."],
  SELF_TEST_FAILED: [500, "The self-test failed: nothing is served."],
  PASSWORD_WRONG: [403, "The key does not open with this password."],
  PASSWORD_EMPTY: [400, "An empty password protects nothing."],
  PASSWORD_REQUIRED: [400, "This needs a password, from a file or standard input."],
  CA_NOT_REMEMBERED: [400, "No such CA is remembered: name it with --ca-url and --fingerprint."],
  CLOCK_WRONG: [502, "By this machine's clock, the server's certificate is not valid now."],
  SERVER_UNTRUSTED: [502, "The server cannot be trusted."],
  SERVER_UNREACHABLE: [502, "The server cannot be reached."],
} as const;

const table = {
  ...issuing,
  ...requesting,
  ...renewing,
  ...keyGeneration,
  ...revoking,
  ...denials,
  ...excess,
  ...proxying,
  ...administration,
};

export type IssuingCode = keyof typeof issuing | "ACCOUNT_SUSPENDED";
export type DenialCode = keyof typeof denials;
/** What a request has too much of, whoever it is of. */
export type ExcessCode = keyof typeof excess | "BODY_TOO_LARGE";
/** Why a gateway answers itself; one that nobody is left to hear is for the log. */
export type GatewayCode = keyof typeof proxying | "NO_ROUTE" | "METHOD_NOT_ALLOWED" | "BODY_MALFORMED";
/** What went wrong, in a word that stays: docs/errors.md has them all. */
export type ErrorCode = keyof typeof table;

/** Every code with its HTTP status and sentence: the one place that has them. */
export const errorTable: Readonly<Record<ErrorCode, readonly [status: number, sentence: string]>> = table;

export const denialCodes = Object.keys(denials) as readonly DenialCode[];
export const excessCodes: readonly ExcessCode[] = ["BODY_TOO_LARGE", "HEADERS_TOO_LARGE"];
/** What a gateway says of its own routes, besides the decision. */
export const gatewayCodes = Object.keys(proxying) as readonly ErrorCode[];

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(table, text);
}

/**
 * A request that was understood and refused: nothing was changed by it.
 *
 * `message` may be shown to whoever asked; `detail` is for the log only.
 */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: string | undefined;
  /** What the message says, by name, for programs. */
  readonly facts: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message?: string, detail?: string, facts = {}) {
    super(message ?? errorTable[code][1]);
    this.name = "Refusal";
    this.code = code;
    this.status = errorTable[code][0];
    this.detail = detail;
    this.facts = facts;
  }
}

/** One that can only be about what a command was given, whatever its code says elsewhere. */
export class UsageRefusal extends Refusal {}
