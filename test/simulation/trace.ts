// A step of the store as a line of the trace; steps that did nothing leave none.
import type { JobId } from "../../src/core/id.ts";
import type { Job } from "../../src/core/job.ts";
import type { Changes } from "./store.ts";
import type { Call } from "./wire.ts";

export function describeStep(
  { process, method }: Call,
  answer: unknown,
  changes: Changes,
  shortOf: (id: JobId) => string,
): string | undefined {
  const jobs = [...changes.jobs].map(([id, job]) => `${shortOf(id)} ${describeJob(job)}`);
  const schedules = [...changes.schedules].map(([key, schedule]) => {
    const held = schedule?.held === undefined ? "" : ` holding ${schedule.held.tick}`;
    return schedule === undefined
      ? `${key} gone`
      : `${schedule.id} r${schedule.revision}@${schedule.cursor.after}${held}`;
  });
  const changed = [...jobs, ...schedules];
  if (changed.length === 0 && method !== "jobs.settle" && method !== "jobs.extend") return undefined;
  return `${process} > ${method}: ${changed.join("; ") || "-"}${outcomesOf(answer)}`;
}

function describeJob(job: Job | undefined): string {
  if (job === undefined) return "gone";
  const { state, attempt, worker, token, key, successor, endCause, failures, crashes } = job;
  const lease = state === "active" ? ` by ${worker} ${token?.slice(0, 4)}` : "";
  const place = key === undefined ? "" : ` key ${key}${successor === true ? " (successor)" : ""}`;
  return `${state}#${attempt}${lease}${place} ${job.task} ${job.input} f${failures} c${crashes}${endCause === undefined ? "" : ` ${endCause}`}`;
}

function outcomesOf(answer: unknown): string {
  if (!Array.isArray(answer)) return "";
  const outcomes = (answer as readonly unknown[]).map((one) =>
    typeof one === "object" && one !== null && "outcome" in one ? String(one.outcome) : String(one),
  );
  return ` = ${outcomes.join(", ")}`;
}
