// How an engine hears of other processes' jobs, as findings: at once by LISTEN, or by polling and why.
import { type Finding, fine } from "../../core/findings.ts";
import type { StoreStatus } from "./store.ts";

const polled = "jobs of other processes start within a second instead of milliseconds";

/** Of the process that asks: what another one hears, only that one can say. */
export function signalFindings(status: StoreStatus): Finding[] {
  const { pooled, listening, wantsListen, failed, sent } = status;
  const found: Finding[] = [];
  if (pooled && wantsListen && !listening) {
    found.push({
      check: "pooler",
      status: "warn",
      what: `a pooler stands before the server and passes no notifications on: ${polled}`,
      mend: "Use a URL that leads straight to the server, or a pooler in session mode; or accept it with listen: false.",
    });
  } else found.push(fine("pooler", pooled ? "a pooler stands before the server" : "none: sessions are our own"));
  found.push(...listenFindings(status));
  if (failed > 0) {
    found.push({
      check: "signals",
      status: "warn",
      what: `${failed} of ${sent} notices to other processes could not be sent: ${polled}`,
      mend: "See that the server is reached, and that this role may write.",
    });
  }
  return found;
}

function listenFindings({ pooled, listening, since, wantsListen, size, lastError }: StoreStatus): Finding[] {
  if (listening) return [fine("listen", "other processes are heard at once")];
  if (!wantsListen) {
    const why = size < 3 && size > 1 ? `the pool has ${size} connections and one would be kept` : "listen is off";
    return [fine("listen", `${why}: ${polled}`)];
  }
  if (since === undefined) return [fine("listen", "nobody here waits for jobs")];
  // Told above.
  if (pooled) return [];
  return [
    {
      check: "listen",
      status: "warn",
      what: `the connection that listens is broken, and is tried again${lastError === undefined ? "" : ` (${lastError})`}: ${polled}`,
      mend: "See that the server is reached, and that its max_connections leaves one for each process to listen.",
    },
  ];
}
