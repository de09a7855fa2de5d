import type { RequestListener } from "node:http";
import { type Server, createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import type { Config } from "../config.ts";
import type { Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import type { Authenticator } from "../enforce/authenticator.ts";
import { ConnectionGate } from "../enforce/connection-gate.ts";
import { serverOptions } from "../enforce/request-limits.ts";
import { askingTlsOptions, followTrust } from "../enforce/tls.ts";
import type { TlsCertificate } from "../home/listener-certificate.ts";
import { answerLimits, limitAnswers, timeLimits } from "../http/server.ts";

interface CaServerParts {
  readonly config: Pick<Config, "limits" | "resumption" | "waitSeconds">;
  readonly authenticator: Authenticator;
  readonly certificate: TlsCertificate;
  readonly logger: Logger;
  readonly app: RequestListener;
}

export interface CaServer {
  readonly server: Server;
  readonly gate: ConnectionGate;
  /** Goes on with another certificate of its own. */
  readonly use: (certificate: TlsCertificate) => void;
}

/** The CA listener. It asks for a certificate and needs none: most of its callers have tokens. */
export function createCaServer({ config, authenticator, certificate, logger, app }: CaServerParts): CaServer {
  const optionsWith = (own: TlsCertificate) =>
    askingTlsOptions(authenticator, own, "countersign-ca", config.resumption);
  const { requestTimeout: requestTime, keepAliveTimeout: idleTime } = timeLimits;
  const options = optionsWith(certificate);
  const limits = serverOptions({ ...config.limits, requestTime, idleTime });
  const server = createServer({ ...options, ...limits }, app);
  // Anybody may ask for the API's description, and not read it; and some answers wait until other servers have followed.
  const idle = answerLimits.idle + config.waitSeconds * SECOND;
  limitAnswers(server, { ...answerLimits, idle });
  const gate = new ConnectionGate(server, config.limits, logger);
  server.on("secureConnection", (socket: TLSSocket) => {
    authenticator.began(socket);
  });
  followTrust(server, authenticator, options);
  return {
    ...{ server, gate },
    use(renewed) {
      server.setSecureContext(optionsWith(renewed));
    },
  };
}
