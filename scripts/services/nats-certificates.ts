// Certificates for one private server of NATS: an authority of its own, made by openssl, valid for some days.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ServerHome } from "./server-home.ts";

/** Paths of PEM files; they go with the server. */
export interface NatsCertificates {
  /** Of the authority that signed both. */
  readonly caFile: string;
  readonly server: KeyPair;
  /** What a client may show, and must where the server demands it. */
  readonly client: KeyPair;
}

interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10"];

/** Makes them in the server's folder; the server's is valid for `host` and for "localhost". Fails where there is no openssl. */
export async function makeCertificates(home: ServerHome, host: string): Promise<NatsCertificates> {
  const path = (name: string) => join(home.directory, name);
  const authority = { certFile: path("ca.pem"), keyFile: path("ca-key.pem") };
  // The system's may demand things that it does not have.
  const configuration = path("openssl.conf");
  writeFileSync(configuration, "[req]\ndistinguished_name = name\n[name]\n", { mode: 0o644 });
  const make = async (name: string, pair: KeyPair, ...options: readonly string[]) => {
    const files = ["-config", configuration, "-keyout", pair.keyFile, "-out", pair.certFile];
    await home.run("openssl", ["req", "-x509", ...newKey, "-subj", `/CN=${name}`, ...files, ...options]);
  };
  await make("Punctual tests", authority, "-addext", "basicConstraints=critical,CA:TRUE");
  const signed = ["-CA", authority.certFile, "-CAkey", authority.keyFile, "-addext", "basicConstraints=CA:FALSE"];
  const server = { certFile: path("server.pem"), keyFile: path("server-key.pem") };
  await make(host, server, ...signed, "-addext", `subjectAltName=DNS:localhost,IP:${host}`);
  const client = { certFile: path("client.pem"), keyFile: path("client-key.pem") };
  await make("client", client, ...signed);
  return { caFile: authority.certFile, server, client };
}
