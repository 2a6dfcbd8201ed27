// What a step has made of its workspace, as the commit script takes it: a plan in JSON, and long texts beside it.
import type { History } from "../../core/history.ts";
import type { JobId } from "../../core/id.ts";
import type { Job } from "../../core/job.ts";
import { isFinished } from "../../core/job.ts";
import { isActive } from "../../core/schedule.ts";
import type { Stored, Workspace } from "../../core/workspace/workspace.ts";
import type { Check } from "./checks.ts";
import { type Fired, firedMessage } from "./fired-ticks.ts";
import { seqText } from "./row-head.ts";
import { workerText } from "./row-overlay.ts";
import { detailText, flagsOf, letterOf } from "./rows.ts";
import { scheduleName } from "./schedule-rows.ts";
import type { Reading } from "./step-reading.ts";
import { slotName } from "./step-reading.ts";

/** Counts a claim of a recovered job against the rates of its queue and its tenant, if these allow it. */
export interface Spend {
  readonly queue: string;
  readonly tenant: string;
}

/** What a claim that a step has made gave. */
export interface MadeClaim {
  readonly claimId: string;
  readonly job: JobId;
  readonly leaseMs: number;
}

/** What a commit does beside what the workspace holds. */
export interface Beside {
  readonly spend: Spend | undefined;
  /** A claim that gave one job, for its repeat. */
  readonly claim: MadeClaim | undefined;
  /** Who had due schedules in hand, and has them no more. */
  readonly inHand: string | undefined;
  /** Told to other processes. */
  readonly fired: readonly Fired[];
}

/** The arguments of the commit script behind its now; undefined when there is nothing to write. */
export function planOf(
  workspace: Workspace,
  reading: Reading,
  history: History,
  { spend, claim, inHand, fired }: Beside,
): (string | number)[] | undefined {
  const texts = new Texts();
  const jobs = workspace.changedJobs().map(({ before, after }) => jobPlan(texts, before, after));
  const schedules = workspace.changedSchedules().map(({ ref, schedule }) => {
    const before = reading.isTicking(ref) ? 1 : 0;
    return {
      n: scheduleName(ref),
      t: ref.tenant,
      D: schedule === undefined ? undefined : texts.add(JSON.stringify(schedule)),
      at: schedule?.cursor.nextAt,
      ticks: (schedule !== undefined && isActive(schedule) ? 1 : 0) - before,
    };
  });
  const slots = [...workspace.changedSlots()].map(([text, { current = "", successor = "" }]) => {
    const [tenant, queue, key] = JSON.parse(text) as [string, string, string];
    return [slotName({ tenant, queue, key }), `${current}\t${successor}`];
  });
  const used = workspace.rememberedKeys().map(({ tenant, key, body, job, dueAt, expiresAt }) => {
    return [`${tenant}\n${key}`, texts.add(JSON.stringify({ body, job, dueAt, expiresAt })), expiresAt];
  });
  const events = workspace.events.map((event) => {
    const { tenant, schedule = "", job = "", type } = event;
    return [texts.add(JSON.stringify(event)), tenant, schedule, job, type === "tick:fired" ? 1 : 0];
  });
  const signals = workspace.signals.map((signal) => texts.add(JSON.stringify(signal)));
  const { broken } = reading.due;
  const changes = [jobs, schedules, slots, used, events, signals, broken];
  const written = changes.reduce((sum, { length }) => sum + length, 0);
  if (written === 0 && spend === undefined) return undefined;
  const plan = {
    checks: [...reading.checks, ...roomChecks(workspace, reading)],
    grows: jobs.some(({ s }) => s === "") || schedules.some(({ D }) => D !== undefined && inHand === undefined),
    jobs,
    schedules,
    slots,
    used,
    events,
    signals,
    undue: broken.map((ref) => [scheduleName(ref), ref.tenant]),
    totals: totalsOf(workspace),
    completedMax: history.completedCountMax,
    endedMax: history.endedCountMax,
    eventAgeMs: history.eventAgeMsMax,
    spend,
    claim: claim === undefined ? undefined : [claim.claimId, claim.job, claim.leaseMs],
    inHand,
    told: fired.length === 0 ? undefined : texts.add(firedMessage(fired)),
  };
  return [JSON.stringify(plan), ...texts.list];
}

/** Long texts go beside the plan, where they need no second escaping; the plan names them by their place in ARGV. */
class Texts {
  readonly list: string[] = [];

  add(text: string): number {
    return this.list.push(text) + 2;
  }
}

function jobPlan(texts: Texts, before: Stored | undefined, after: Stored | undefined) {
  const { job, seq } = named(before, after);
  const common = {
    s: seq > 0 ? seqText(seq) : "",
    i: job.id,
    q: job.queue,
    t: job.tenant,
    u: job.schedule?.incarnation,
  };
  const by = before?.job.replacedBy;
  const unreplaced = by === after?.job.replacedBy ? undefined : by;
  if (after === undefined) return { ...common, unreplaced, L: "" };
  return {
    ...common,
    unreplaced,
    replaced: isFinished(job.state) ? undefined : job.replacedBy,
    L: letterOf(job),
    p: job.priority,
    d: job.dueAt,
    c: job.createdAt,
    a: job.attempt,
    f: flagsOf(job),
    D: texts.add(detailText(job)),
    // What is stored of the input stays where it is.
    I: before !== undefined && before.job.input === job.input ? 0 : texts.add(job.input),
    o: job.state === "active" ? leasePlan(job) : undefined,
    F: job.finishedAt,
    E: job.expiresAt,
  };
}

function named(before: Stored | undefined, after: Stored | undefined): Stored {
  const stored = after ?? before;
  if (stored === undefined) throw new Error("a job that was neither stored nor is to be");
  return after === undefined || before === undefined ? stored : { ...stored, seq: before.seq };
}

function leasePlan(job: Job) {
  const { token = "", leaseUntil = 0, started, claimedAt = 0, worker = "", cancelRequested } = job;
  const kept = flagsOf({ key: job.key, schedule: job.schedule });
  const flags = cancelRequested === true ? `${kept === "-" ? "" : kept}x` : kept;
  return [token, leaseUntil, started === true ? "1" : "0", claimedAt, flags, workerText(worker)];
}

const totalNames = { completed_total: "tcompleted", failed_total: "tfailed", cancelled_total: "tcancelled" } as const;

function totalsOf(workspace: Workspace): (string | number)[][] {
  return workspace.lanes.rows().flatMap((lane) =>
    Object.entries(totalNames).flatMap(([member, field]) => {
      const count = lane[member as keyof typeof totalNames];
      return count === 0 ? [] : [[lane.queue, lane.tenant, field, count]];
    }),
  );
}

/** Counts that a limit holds may have moved, as long as they leave the room that the step takes (N2). */
function roomChecks(workspace: Workspace, { loaded }: Reading): Check[] {
  return workspace.grownCounts().map(({ tenant, kind, by, max }) => {
    const read = (kind === "jobs" ? loaded.unfinishedCounts : loaded.active).get(tenant) ?? 0;
    return ["room", tenant, kind === "jobs" ? "unfinished" : "schedules", by, max, read];
  });
}
