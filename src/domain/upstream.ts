/** A service behind the gateway. PEM for what TLS needs; times in milliseconds. */
export interface UpstreamSettings {
  readonly name: string;
  /** `http://host:port` or `https://host:port`, without a path. */
  readonly origin: string;
  /** A unix socket, in place of the address. */
  readonly socket: string | undefined;
  readonly connectTime: number;
  /** Connections to it at most; what comes beyond waits. */
  readonly connections: number;
  readonly tls: {
    /** Whom to trust, in place of the CAs that Node trusts. */
    readonly ca: string | undefined;
    /** Our own certificate there. */
    readonly cert: string | undefined;
    readonly key: string | undefined;
    /** The name that its certificate has, where the address's is another. */
    readonly servername: string | undefined;
  };
  readonly health: { readonly path: string; readonly interval: number } | undefined;
}
