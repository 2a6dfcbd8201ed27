// What a handler of ours is told when BullMQ runs its job.
import type { Job } from "bullmq";
import {
  type Context,
  EngineNotConfiguredError,
  InvalidInputError,
  type JobView,
  TransactionsUnsupportedError,
} from "../index.ts";
import type { WorkOptions } from "./contract.ts";
import { type NotedOptions, readNote } from "./mapping.ts";

/** A context, and what it has sent to BullMQ so far. */
export interface RunContext {
  readonly context: Context;
  /** Resolves when log lines and progress have reached BullMQ, or have been given up. */
  sent(): Promise<void>;
}

/** Makes the context of one attempt at BullMQ. */
export function contextOf(
  job: Job,
  signal: AbortSignal,
  scheduler: WorkOptions["scheduler"],
  onError: (error: unknown) => void,
): RunContext {
  const view = viewOf(job);
  const startedAt = new Date(job.processedOn ?? Date.now());
  let sending = Promise.resolve();
  // One after another, so that lines keep their order; a failure to tell is none of the work.
  const send = (telling: () => Promise<unknown>) => {
    sending = sending.then(telling).then(() => {}, onError);
  };
  const known = () => {
    if (scheduler !== undefined) return scheduler.tenant(view.tenant);
    throw new EngineNotConfiguredError("this needs a scheduler, and BullMQ's worker was given none", {
      mend: "Give it one: .work(handlers, { scheduler }).",
    });
  };
  const { schedule } = view;
  const context: Context = {
    job: view,
    attempt: view.attempt,
    failures: view.failures,
    tenant: view.tenant,
    scheduledAt: view.dueAt,
    startedAt,
    delayMs: Math.max(0, startedAt.getTime() - view.dueAt.getTime()),
    ...(schedule === undefined
      ? {}
      : {
          schedule: {
            id: schedule.id,
            metadata: view.metadata,
            lastCompletedAt: async () => (await known().schedules.get(schedule.id))?.lastCompletedAt,
          },
          tick: { at: schedule.tick, missed: schedule.missed },
        }),
    signal,
    log: (text) => send(() => job.log(String(text))),
    progress: (share) => {
      if (typeof share !== "number" || !(share >= 0 && share <= 1)) {
        throw new InvalidInputError(`progress must be 0 to 1, got ${share}`, { field: "progress" });
      }
      // BullMQ's own tools show percents.
      send(() => job.updateProgress(Math.round(share * 10_000) / 100));
    },
    complete: async () => {
      throw new TransactionsUnsupportedError(
        "BullMQ has no transactions to complete in: return, and the job completes",
      );
    },
    enqueue: async (task, input, options) => known().enqueue(task, input, options),
  };
  return { context, sent: () => sending };
}

function viewOf(job: Job): JobView {
  const options: NotedOptions = job.opts;
  const note = readNote(options);
  const schedule = note?.schedule;
  return {
    id: note?.id ?? job.id ?? "",
    tenant: note?.tenant ?? "default",
    queue: note?.queue ?? job.queueName,
    task: job.name,
    input: job.data,
    state: "active",
    priority: Math.min(10, Math.max(1, options.priority || 1)),
    dueAt: new Date(note?.dueAt ?? job.timestamp + (options.delay ?? 0)),
    createdAt: new Date(note?.createdAt ?? job.timestamp),
    attempt: Math.max(1, job.attemptsStarted),
    failures: job.attemptsMade,
    ...(options.attempts ? { attemptsMax: options.attempts } : {}),
    ...(note?.key === undefined ? {} : { key: note.key }),
    ...(schedule === undefined ? {} : { schedule: { ...schedule, tick: new Date(schedule.tick) } }),
    ...(note?.metadata === undefined ? {} : { metadata: note.metadata }),
    attempts: [],
    log: [],
  };
}
