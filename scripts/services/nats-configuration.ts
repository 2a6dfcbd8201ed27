// How a private NATS server may be asked for, and the configuration file that follows: in JSON, which NATS reads too.
import { join } from "node:path";
import type { NatsAccess, NatsLogin } from "./nats-access.ts";
import type { NatsRelease } from "./nats-binaries.ts";
import type { NatsCertificates } from "./nats-certificates.ts";

export const loopback = "127.0.0.1";

/** As in a server's configuration file; what stands under `jetstream` is added to what is said there anyway. */
export type NatsSettings = Readonly<Record<string, unknown>> & {
  readonly jetstream?: Readonly<Record<string, unknown>>;
};

export interface NatsOptions {
  /** Default "supported". */
  readonly release?: NatsRelease;
  /** After how long JetStream syncs its files, as in "10s", or "always": before each answer. Default the server's: 2 minutes. */
  readonly syncInterval?: string;
  /** Whether its files lie in memory: fast, and they survive kill -9 too. Default true, but false with `syncInterval`. */
  readonly inMemory?: boolean;
  /** Default: everybody may use it. */
  readonly login?: NatsLogin;
  /** "clients-too": the server asks clients for a certificate as well. Default: no TLS. */
  readonly tls?: "server" | "clients-too";
  /** Of one message, in bytes. Default the server's: 1 MiB. */
  readonly maxPayload?: number;
  readonly settings?: NatsSettings;
  /** An address of the machine, or of the network namespace. Default "127.0.0.1". */
  readonly host?: string;
  /** The name of a network namespace to run in, as of `ip netns add`. Needs root. */
  readonly namespace?: string;
}

/** What was decided, or made, for one server. */
export interface NatsPlan {
  readonly program: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly access: NatsAccess;
  readonly certificates: NatsCertificates | undefined;
}

/** The text of its configuration file; its data go into `data/` of the directory. */
export function natsConfiguration(name: string, directory: string, plan: NatsPlan, options: NatsOptions): string {
  const { certificates, access, port, monitorPort } = plan;
  const { host = loopback, syncInterval, maxPayload, tls, settings = {} } = options;
  return JSON.stringify({
    server_name: name,
    listen: `${host}:${port}`,
    http: `${host}:${monitorPort}`,
    ...(maxPayload !== undefined && { max_payload: maxPayload }),
    ...(certificates && {
      tls: {
        cert_file: certificates.server.certFile,
        key_file: certificates.server.keyFile,
        ca_file: certificates.caFile,
        verify: tls === "clients-too",
      },
    }),
    ...access.settings,
    ...settings,
    jetstream: {
      store_dir: join(directory, "data"),
      ...(syncInterval !== undefined && { sync_interval: syncInterval }),
      ...settings.jetstream,
    },
  });
}
