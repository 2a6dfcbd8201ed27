// The conformance suite: every chapter, in the order of the contract. A harness under test/engines runs it on an engine.
import { accounting } from "./accounting.ts";
import { backfills } from "./backfill.ts";
import { batch } from "./batch.ts";
import { cancel } from "./cancel.ts";
import { catchUp } from "./catch-up.ts";
import { claims } from "./claim.ts";
import { counts } from "./counts.ts";
import { events } from "./events.ts";
import { fairness } from "./fairness.ts";
import { fence } from "./fence.ts";
import { firing } from "./firing.ts";
import { guardrails } from "./guardrails.ts";
import type { Chapter } from "./harness.ts";
import { history } from "./history.ts";
import { idempotencyKeys } from "./idempotency.ts";
import { insert } from "./insert.ts";
import { inspection } from "./inspection.ts";
import { jitter } from "./jitter.ts";
import { keys } from "./keys.ts";
import { limits } from "./limits.ts";
import { overlap } from "./overlap.ts";
import { pauseOnFailure } from "./pause-on-failure.ts";
import { payload } from "./payload.ts";
import { poison } from "./poison.ts";
import { records } from "./records.ts";
import { retention } from "./retention.ts";
import { schedules } from "./schedules.ts";
import { settling } from "./settle.ts";
import { signals } from "./signals.ts";
import { tenantGuardrails } from "./tenant-guardrails.ts";
import { tenantLimits } from "./tenant-limits.ts";
import { tenantPlaces } from "./tenant-places.ts";
import { tenantRecords } from "./tenant-records.ts";
import { tenants } from "./tenants.ts";
import { timers } from "./timers.ts";
import { transactions } from "./transactions.ts";
import { transfer } from "./transfer.ts";
import { triggers } from "./trigger.ts";

export const chapters: readonly Chapter[] = [
  insert,
  claims,
  fence,
  settling,
  cancel,
  keys,
  timers,
  batch,
  idempotencyKeys,
  limits,
  fairness,
  counts,
  retention,
  payload,
  schedules,
  firing,
  triggers,
  backfills,
  jitter,
  catchUp,
  accounting,
  overlap,
  poison,
  pauseOnFailure,
  guardrails,
  tenantGuardrails,
  tenantRecords,
  tenantLimits,
  tenantPlaces,
  tenants,
  events,
  history,
  records,
  signals,
  transactions,
  transfer,
  inspection,
];

/** How many facts every engine and mode runs. */
export const factCount: number = chapters.reduce((sum, chapter) => sum + chapter.facts.length, 0);
