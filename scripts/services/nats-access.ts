// Who may use a private server of NATS: what its configuration says, and what a client has to show.
import { claim, newNatsKey } from "./nats-keys.ts";

/** "nkey" and "creds" are keys that are made for the server; the latter come from an operator and an account. */
export type NatsLogin =
  | "nkey"
  | "creds"
  | { readonly token: string }
  | { readonly user: string; readonly password: string };

export interface NatsAccess {
  /** For the server's configuration. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The secret key of a user, for "nkey". */
  readonly seed?: string;
  /** The text of a credentials file, for "creds". */
  readonly creds?: string;
}

const unlimited = -1;

function credsFile(jwt: string, seed: string): string {
  return [
    "-----BEGIN NATS USER JWT-----",
    jwt,
    "------END NATS USER JWT------",
    "",
    "-----BEGIN USER NKEY SEED-----",
    seed,
    "------END USER NKEY SEED------",
    "",
  ].join("\n");
}

/** An operator whose account may do all there is to do, and one of its users. */
function operatorAccess(): NatsAccess {
  const [operator, system, account, user] = [
    newNatsKey("operator"),
    newNatsKey("account"),
    newNatsKey("account"),
    newNatsKey("user"),
  ];
  const counts = ["subs", "data", "payload", "imports", "exports", "conn", "leaf"];
  const plain = { ...Object.fromEntries(counts.map((count) => [count, unlimited])), wildcards: true };
  const stored = ["mem_storage", "disk_storage", "streams", "consumer"];
  const jetStream = Object.fromEntries(stored.map((count) => [count, unlimited]));
  const userLimits = { pub: {}, sub: {}, subs: unlimited, data: unlimited, payload: unlimited };
  return {
    settings: {
      operator: claim("operator", "tests", operator, operator),
      system_account: system.publicKey,
      resolver: "MEMORY",
      resolver_preload: {
        [system.publicKey]: claim("account", "system", operator, system, { limits: plain }),
        [account.publicKey]: claim("account", "tests", operator, account, { limits: { ...plain, ...jetStream } }),
      },
    },
    creds: credsFile(claim("user", "tests", account, user, userLimits), user.seed),
  };
}

/** What `login` asks for; without one, everybody may use the server. */
export function natsAccess(login: NatsLogin | undefined): NatsAccess {
  if (login === undefined) return { settings: {} };
  if (login === "creds") return operatorAccess();
  if (login === "nkey") {
    const { publicKey, seed } = newNatsKey("user");
    return { settings: { authorization: { users: [{ nkey: publicKey }] } }, seed };
  }
  return { settings: { authorization: login } };
}
