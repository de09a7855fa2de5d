import { constants, randomBytes } from "node:crypto";
import type { Server, TlsOptions } from "node:tls";
import { HOUR, SECOND } from "../domain/time.ts";

/** For how long a session may be resumed, and how long its ticket's key is kept; milliseconds. */
const SESSION_LIFE = HOUR;

/**
 * The TLS options of sessions. There are no ticket keys among them: each context has its own, made at random, so that none
 * is shared by two listeners or lives on in the next context. Session ids (TLS 1.2) resume nothing, as nothing is cached.
 *
 * @param isOn whether sessions may be resumed at all: what TLS 1.3 sends instead of tickets is of no use then
 */
export function sessionOptions(isOn: boolean): Pick<TlsOptions, "sessionTimeout" | "secureOptions"> {
  // A TLS 1.2 client could present another certificate in a renegotiation.
  const always = constants.SSL_OP_NO_RENEGOTIATION;
  return {
    sessionTimeout: SESSION_LIFE / SECOND,
    secureOptions: isOn ? always : always | constants.SSL_OP_NO_TICKET,
  };
}

/**
 * Gives a server new ticket keys every hour, and with each new context: who comes with a ticket from before makes a full
 * handshake, against the trust anchors and the certificate of today. Node keeps one key, so none outlives the next.
 */
export function keepTicketKeysFresh(server: Server): void {
  const setContext = server.setSecureContext.bind(server);
  server.setSecureContext = (options) => {
    setContext(options);
    renewKeys(server); // also where keys were among the options: Node would take those over into every later context
  };
  const rotation = setInterval(() => {
    renewKeys(server);
  }, SESSION_LIFE).unref();
  server.once("close", () => {
    clearInterval(rotation);
  });
}

/** Name of the key, HMAC key and AES key. */
const TICKET_KEY_OCTETS = 48;

function renewKeys(server: Server): void {
  server.setTicketKeys(randomBytes(TICKET_KEY_OCTETS));
}
