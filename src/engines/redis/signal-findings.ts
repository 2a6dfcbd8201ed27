// How an engine hears of other processes' jobs, as findings: at once by a channel, or by polling and why.
import { type Finding, fine } from "../../core/findings.ts";
import type { StoreStatus } from "./store.ts";

const polled = "jobs start within a second instead of milliseconds";

/** Of the process that asks: what another one hears, only that one can say. */
export function signalFindings({ listening, since, wantsListen, lastError }: StoreStatus): Finding[] {
  if (listening) return [fine("listen", "other processes are heard at once")];
  if (!wantsListen) return [fine("listen", `listen is off: ${polled}`)];
  if (since === undefined) return [fine("listen", "nobody here waits for jobs")];
  if (lastError === undefined) return [fine("listen", "whether other processes are heard is being tried")];
  return [
    {
      check: "listen",
      status: "warn",
      what: `other processes are not heard, and it is tried again (${lastError}): ${polled}`,
      mend: "See that the server is reached, that a proxy passes SUBSCRIBE on, and that the user may use the channel: ACL SETUSER name &{prefix}:*.",
    },
  ];
}
