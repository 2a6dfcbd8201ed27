// What is to be written into a store, as the transfer script takes it: a plan in JSON, and long texts beside it.
import { isFinished, type Job } from "../../core/job.ts";
import { isActive } from "../../core/schedule.ts";
import { limitsClaims } from "../../core/tenant-record.ts";
import {
  type ItemOf,
  positionOf,
  type TransferItem,
  type TransferKind,
  type TransferWrite,
} from "../../core/transfer.ts";
import { seqText } from "./row-head.ts";
import { workerText } from "./row-overlay.ts";
import { detailText, flagsOf, letterOf } from "./rows.ts";
import { scheduleName } from "./schedule-rows.ts";

/** Texts before those that the plan names. */
const firstText = 6;

/** The arguments of the transfer script from its plan on. */
export function transferPlan({ items, remove }: Pick<TransferWrite, "items" | "remove">): string[] {
  const texts: string[] = [];
  const add = (text: string) => texts.push(text) + firstText - 1;
  const of = <Kind extends TransferKind>(kind: Kind) => lastOfEach(items, kind);
  const plan = {
    remove: remove.map(({ kind, name: [first, second] }) => [kind, removedName(kind, first), second]),
    queues: of("queue").map(({ queue, window }) => ({
      n: queue.name,
      D: add(JSON.stringify(queue)),
      W: add(JSON.stringify(window)),
    })),
    tenants: of("tenant").map(({ tenant, window }) => ({
      n: tenant.id,
      D: add(JSON.stringify(tenant)),
      W: add(JSON.stringify(window)),
      limited: limitsClaims(tenant),
      guarded: tenant.guardrails !== undefined,
    })),
    jobs: lastToStay(of("job")).map((item) => jobPlan(item, add)),
    lanes: of("lane").map(({ queue, tenant, totals: { completed, failed, cancelled }, pass, weight }) => {
      return { q: queue, t: tenant, c: completed, f: failed, x: cancelled, p: pass, w: weight };
    }),
    used: of("idempotency").map(({ tenant, key, body, job, dueAt, expiresAt }) => ({
      n: `${tenant}\n${key}`,
      D: add(JSON.stringify({ body, job, dueAt, expiresAt })),
      e: expiresAt,
    })),
    records: of("record").map(({ key, value, revision, expiresAt }) => {
      return { n: key, D: add(`${revision}|${expiresAt ?? ""}|${value}`), e: expiresAt };
    }),
    events: of("event")
      .sort((a, b) => a.event.id - b.event.id)
      .map(({ event: { id, ...event } }) => {
        const { type, tenant, schedule = "", job = "" } = event;
        const fired = type === "tick:fired" && job !== "";
        return { id, D: add(JSON.stringify(event)), t: tenant, s: schedule, j: job, fired };
      }),
    lastId: of("eventSequence")[0]?.lastId,
    schedules: of("schedule").map(({ schedule }) => ({
      n: scheduleName(schedule),
      t: schedule.tenant,
      D: add(JSON.stringify(schedule)),
      at: schedule.cursor.nextAt,
      ticks: isActive(schedule) ? 1 : 0,
    })),
  };
  return [JSON.stringify(plan), ...texts];
}

/** Jobs and events are named by numbers, which the script takes as the texts they are stored under. */
function removedName(kind: TransferKind, name: string | number | undefined): string | number | undefined {
  if (kind === "job") return seqText(Number(name ?? 0));
  return kind === "event" ? `${name}` : name;
}

/** Of items with the same name the last one: it is what stays when they are written one after another. */
function lastOfEach<Kind extends TransferKind>(items: readonly TransferItem[], kind: Kind): ItemOf<Kind>[] {
  const own = items.filter((item): item is ItemOf<Kind> => item.kind === kind);
  return [...new Map(own.map((item) => [JSON.stringify(positionOf(item).name), item])).values()];
}

type JobItem = ItemOf<"job">;

function jobPlan({ seq, job }: JobItem, add: (text: string) => number) {
  return {
    s: seqText(seq),
    i: job.id,
    q: job.queue,
    t: job.tenant,
    y: job.key,
    u: job.schedule?.incarnation,
    by: job.replacedBy,
    L: letterOf(job),
    p: job.priority,
    d: job.dueAt,
    c: job.createdAt,
    a: job.attempt,
    f: flagsOf(job),
    D: add(detailText(job)),
    I: add(job.input),
    o: job.state === "active" ? leaseParts(job) : undefined,
    F: job.finishedAt,
    E: job.expiresAt,
  };
}

/** What the overlay of an active job says. */
function leaseParts(job: Job) {
  const { token = "", leaseUntil = 0, started, claimedAt = 0, worker = "", cancelRequested } = job;
  const kept = flagsOf({ key: job.key, schedule: job.schedule });
  const flags = cancelRequested === true ? `${kept === "-" ? "" : kept}x` : kept;
  return [token, leaseUntil, started === true ? "1" : "0", claimedAt, flags, workerText(worker)];
}

/** What is left when jobs are written one after another: each takes the place of those with its number, id or slot. */
function lastToStay(items: readonly JobItem[]): JobItem[] {
  const left = new Map<number, JobItem>();
  const byName = new Map<string, JobItem>();
  for (const item of items) {
    for (const name of namesOf(item)) {
      const other = byName.get(name);
      if (other !== undefined && left.get(other.seq) === other) left.delete(other.seq);
      byName.set(name, item);
    }
    left.set(item.seq, item);
  }
  return [...left.values()];
}

/** The names that no two stored jobs share. */
function namesOf({ seq, job }: JobItem): string[] {
  const names = [`seq ${seq}`, `id ${job.id}`];
  const { key, tenant, queue, successor } = job;
  if (key === undefined || isFinished(job.state)) return names;
  return [...names, `${successor === true ? "successor" : "current"} ${tenant}\n${queue}\n${key}`];
}
