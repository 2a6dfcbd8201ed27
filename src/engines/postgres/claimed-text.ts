// Claimed jobs as one text: a fifth of a claim's time went into rows of many columns. Fields and jobs are kept apart by two
// control characters, which JSON texts and names do not have. Should they all the same, the counts do not fit, and the
// reader says so instead of guessing.
import type { Millis } from "../../core/clock.ts";

const betweenFields = "\x1f";
const betweenJobs = "\x1e";

/** Fields of one job; what most jobs do not have is one of them, as JSON. */
const fieldsOfJob = 9;

/** A job's text as its claim gives it, from its row before the claim. */
export const claimedText = `concat_ws(E'\\x1f', seq, priority, due_at, created_at, attempt + 1, id, task,
    CASE WHEN key IS NULL AND schedule IS NULL AND replaced_by IS NULL AND detail IS NULL THEN ''
      ELSE json_build_array(key, schedule, incarnation, replaced_by, detail)::text END, input)`;

/** A claimed job as the text holds it. */
export interface TakenJob {
  readonly seq: number;
  readonly id: string;
  readonly task: string;
  readonly input: string;
  readonly priority: number;
  readonly dueAt: Millis;
  readonly createdAt: Millis;
  readonly attempt: number;
  readonly key: string | null;
  readonly schedule: string | null;
  readonly incarnation: string | null;
  readonly replacedBy: string | null;
  readonly detail: string | null;
}

type Rare = readonly [
  key: string | null,
  schedule: string | null,
  incarnation: string | null,
  replacedBy: string | null,
  detail: string | null,
];

const none: Rare = [null, null, null, null, null];

/** The jobs of a text; undefined when it does not hold so many. */
export function readClaimed(text: string, count: number): TakenJob[] | undefined {
  const jobs = text.split(betweenJobs);
  if (jobs.length !== count) return undefined;
  const taken: TakenJob[] = [];
  for (const job of jobs) {
    const fields = job.split(betweenFields);
    if (fields.length !== fieldsOfJob) return undefined;
    const [seq, priority, dueAt, createdAt, attempt, id = "", task = "", rare = "", input = ""] = fields;
    const [key, schedule, incarnation, replacedBy, detail] = rare === "" ? none : (JSON.parse(rare) as Rare);
    taken.push({
      seq: Number(seq),
      id,
      task,
      input,
      priority: Number(priority),
      dueAt: Number(dueAt),
      createdAt: Number(createdAt),
      attempt: Number(attempt),
      key,
      schedule,
      incarnation,
      replacedBy,
      detail,
    });
  }
  return taken;
}
