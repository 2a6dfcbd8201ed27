// Inserting jobs. Those without a key of any kind go in together, as one script of whoever waits; what that script does
// not take goes the way of core's steps.
import type { Millis } from "../../core/clock.ts";
import type { Insert, InsertAnswer } from "../../core/engine.ts";
import { dueInstant, type NewJob } from "../../core/job.ts";
import { answersOf, type Outcome, outcomesOf } from "../../core/partial-failure.ts";
import { isWorthSending, type Signal } from "../../core/signal.ts";
import { insertTogether } from "../../core/steps/insert.ts";
import { Gatherer } from "../../remote/gatherer.ts";
import { newJobParts } from "./rows.ts";
import { insertScript } from "./scripts/insert.ts";
import type { Steps } from "./steps.ts";

/** Jobs of one script, at most. */
const batchMax = 1_000;

/** Larger inputs count as several jobs, so that no script is much larger than a thousand times this. */
const charactersPerJob = 8_192;

/** Scripts on their way at once, at most: while one runs, the next gathers. */
const inFlightMax = 2;

/** Inserts, each all or nothing; those of one moment together. */
export class Inserter {
  readonly #steps: Steps;
  readonly #plain: Gatherer<Insert, InsertAnswer>;

  constructor(steps: Steps) {
    this.#steps = steps;
    this.#plain = new Gatherer((inserts) => insertPlain(steps, inserts), {
      sizeOf: ({ jobs }) => Math.max(jobs.length, charactersOf(jobs) / charactersPerJob),
      sizeMax: batchMax,
      inFlightMax,
      // The server takes any text.
      isOfOne: () => false,
    });
  }

  async insert(inserts: readonly Insert[]): Promise<InsertAnswer[]> {
    const { auditsAll } = this.#steps.access.history;
    // In order: a later one may find what an earlier one made.
    if (auditsAll || !inserts.every(isPlain)) return insertCarefully(this.#steps, inserts);
    const settled = await Promise.allSettled(inserts.map((one) => this.#plain.add(one)));
    return answersOf(
      settled.map((one) => (one.status === "fulfilled" ? { answer: one.value } : { error: one.reason })),
    );
  }
}

function charactersOf(jobs: readonly NewJob[]): number {
  let characters = 0;
  for (const { input } of jobs) characters += input.length;
  return characters;
}

/** The script knows the limit on the number of jobs, and no other. */
function isPlain({ jobs, guardrails }: Insert): boolean {
  if (guardrails?.maxHorizonMs !== undefined || guardrails?.payloadBytesMax !== undefined) return false;
  return jobs.every((job) => job.key === undefined && job.idempotency === undefined && job.schedule === undefined);
}

async function insertPlain(steps: Steps, inserts: readonly Insert[]): Promise<InsertAnswer[]> {
  const { client } = steps.access;
  const args: (string | number)[] = [steps.access.testNow()];
  for (const { jobs, guardrails } of inserts) {
    args.push(jobs[0]?.tenant ?? "", guardrails?.maxPendingJobs ?? "", jobs.length);
    for (const job of jobs) {
      const [id, priority, due, , detail, input] = newJobParts(job);
      args.push(id, job.queue, priority, due, detail, input);
    }
  }
  const [nowText, ...took] = (await client.run(insertScript, args)) as [string, ...number[]];
  const now = Number(nowText);
  const made = inserts.filter((_, index) => took[index] === 1).flatMap(({ jobs }) => jobs);
  steps.access.tellHere(wakesOf(made, now));
  const left = inserts.filter((_, index) => took[index] !== 1);
  if (left.length === inserts.length) return insertCarefully(steps, left);
  // Those that the script has stored are stored, whatever becomes of the others.
  const careful = await outcomesOf(left.length, () => insertCarefully(steps, left));
  let next = 0;
  const outcomes = inserts.map(({ jobs }, index): Outcome<InsertAnswer> => {
    if (took[index] !== 1) return careful[next++] as Outcome<InsertAnswer>;
    const created = jobs.map(({ id, due }) => ({ outcome: "created" as const, id, dueAt: dueInstant(due, now) }));
    return { answer: { outcome: "inserted", jobs: created } };
  });
  return answersOf(outcomes);
}

/** One for each queue, with the earliest instant. */
function wakesOf(jobs: readonly NewJob[], now: Millis): Signal[] {
  const earliest = new Map<string, Millis>();
  for (const { queue, due } of jobs) {
    const dueAt = dueInstant(due, now);
    if (dueAt < (earliest.get(queue) ?? Number.POSITIVE_INFINITY)) earliest.set(queue, dueAt);
  }
  const wakes = [...earliest].map(([queue, dueAt]): Signal => ({ kind: "wake", queue, dueAt }));
  return wakes.filter((signal) => isWorthSending(signal, now));
}

async function insertCarefully(steps: Steps, inserts: readonly Insert[]): Promise<InsertAnswer[]> {
  const chunks = inChunks(inserts);
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return insertChunk(steps, only);
  const outcomes: Outcome<InsertAnswer>[] = [];
  for (const some of chunks) outcomes.push(...(await outcomesOf(some.length, () => insertChunk(steps, some))));
  return answersOf(outcomes);
}

function insertChunk(steps: Steps, inserts: readonly Insert[]): Promise<InsertAnswer[]> {
  return steps.run(
    (names) => {
      for (const { jobs } of inserts) {
        for (const job of jobs) {
          names.fresh.add(job.id);
          names.slot(job);
          names.tenants.add(job.tenant);
          if (job.idempotency !== undefined) names.usedKey(job.tenant, job.idempotency.key);
        }
      }
    },
    (workspace) =>
      inserts.map(({ jobs, guardrails }) =>
        insertTogether(workspace, jobs, workspace.guardrails(jobs[0]?.tenant ?? "", guardrails)),
      ),
  );
}

/** Inserts of some hundred jobs together; a single one may have more. */
function inChunks(inserts: readonly Insert[]): Insert[][] {
  const chunks: Insert[][] = [];
  let size = batchMax;
  for (const insert of inserts) {
    if (size + insert.jobs.length > batchMax) {
      chunks.push([]);
      size = 0;
    }
    chunks.at(-1)?.push(insert);
    size += insert.jobs.length;
  }
  return chunks;
}
