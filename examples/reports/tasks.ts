// What the example does: send a report, and remind of one that nobody has opened. A task is a name with policies,
// which producers may import by itself; its code is bound to it with `handle`.
import { setTimeout as sleep } from "node:timers/promises";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Handler, handle, PermanentError, task } from "punctual";

/** What `send-report` is told. */
export interface Report {
  readonly report: string;
  /** Where to send it. */
  readonly to: string;
  /** Where the figures come from; the source decides how the work goes. */
  readonly source: "warehouse" | "crm" | "ledger" | "archive";
}

/** What `remind` is told. */
export interface Reminder {
  readonly report: string;
  readonly to: string;
  /** 1 for the first reminder of a report. */
  readonly nudge: number;
}

/** Any Standard Schema will do (zod, valibot, arktype ...); this one is written by hand. */
const reportSchema: StandardSchemaV1<Report> = {
  "~standard": {
    version: 1,
    vendor: "reports-example",
    validate: (value) => {
      const { report, to, source } = value as Partial<Report>;
      if (typeof report !== "string") return { issues: [{ message: "must be a text", path: ["report"] }] };
      if (!to?.includes("@")) return { issues: [{ message: "must be an address", path: ["to"] }] };
      if (source === undefined) return { issues: [{ message: "must name a source", path: ["source"] }] };
      return { value: { report, to, source } };
    },
  },
};

/** Three attempts, 1 s and 2 s apart; an attempt that takes longer than 30 s counts as failed. */
export const sendReport = task("send-report", {
  schema: reportSchema,
  queue: "reports",
  retry: { attempts: 3, backoff: { type: "exponential", delay: "1s" } },
  timeout: "30s",
});

export const remind = task<Reminder>("remind", { queue: "reminders" });

/** The key of a tenant's reminder: with one key there is one reminder, which each new report replaces. */
export const reminderKey = "unread-report";

const sendReportHandler = handle(sendReport, async (input, ctx) => {
  if (input.to.startsWith("closed@")) throw new PermanentError(`the mailbox ${input.to} is closed`);
  if (input.source === "crm" && ctx.failures === 0) throw new Error("the CRM timed out");
  if (input.source === "ledger") throw new Error("the ledger is locked");

  // The signal aborts when the job is cancelled or out of time, or when the process must stop.
  await sleep(input.source === "archive" ? 7_000 : 30, undefined, { signal: ctx.signal });

  const reminder: Reminder = { report: input.report, to: input.to, nudge: 1 };
  await ctx.enqueue(remind, reminder, { key: reminderKey, onConflict: "replace", delay: "8s" });
  return { pages: input.report.length };
});

const remindHandler = handle(remind, async (input, ctx) => {
  await sleep(5, undefined, { signal: ctx.signal });
  if (input.nudge === 3) return "gave up";
  // It sets itself again, later each time. Its own job is still active: the new one waits beside it, and none is lost.
  const next: Reminder = { ...input, nudge: input.nudge + 1 };
  await ctx.enqueue(remind, next, { key: reminderKey, onConflict: "replace", delay: `${8 * next.nudge}s` });
  return `nudge ${input.nudge}`;
});

export const handlers: readonly Handler[] = [sendReportHandler, remindHandler];
