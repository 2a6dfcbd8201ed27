// A decision within a claim that needs rows which a caller's transaction may hold for long (a key's successor, a
// schedule): it is given up soon, and undone alone, so that nobody stops a queue's claims.
import { defaults } from "../../core/defaults.ts";
import { runAll } from "./connections.ts";
import { isLockTimeout } from "./faults.ts";
import type { Step } from "./steps.ts";

/** Waited for a row at most, in ms: what holds it longer is no step of ours. */
const patienceMs = 100;

const beginStatement = "-- claim.try\nSAVEPOINT punctual_try";
const patienceStatement = "-- claim.patience\nSELECT set_config('lock_timeout', $1, true) AS patience";
const releaseStatement = "-- claim.try\nRELEASE SAVEPOINT punctual_try";
const undoStatement = "-- claim.try\nROLLBACK TO SAVEPOINT punctual_try";

/** Does it, or answers "held" and leaves everything as it was: another transaction has in hand what it needs. */
export async function attempt<T>(step: Step, work: () => Promise<T>): Promise<T | "held"> {
  const { session, signals, ended, events } = step;
  const before = [signals.length, ended.length] as const;
  await runAll(session, [[beginStatement], [patienceStatement, [String(patienceMs)]]]);
  try {
    const answer = await work();
    await runAll(session, [[patienceStatement, [String(defaults.postgres.lockTimeoutMs)]], [releaseStatement]]);
    return answer;
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    await runAll(session, [[undoStatement], [releaseStatement]]);
    [signals.length, ended.length] = before;
    step.events = events;
    return "held";
  }
}
