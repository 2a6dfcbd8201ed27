// Jobs in Redis: the contract's JobStore. What is plain is one script; all else is a step of core.
import type { Change, ChangeAnswer, ExtendOutcome, Extension, JobStore } from "../../core/engine.ts";
import type { Guardrails } from "../../core/guardrails.ts";
import { answersOf, type Outcome, outcomesOf } from "../../core/partial-failure.ts";
import { changeJob } from "../../core/steps/change.ts";
import { extendLease } from "../../core/steps/extend.ts";
import type { Names } from "../../core/workspace/names.ts";
import { claimJobs } from "./claim.ts";
import { Inserter } from "./insert.ts";
import { getJob, listJobs } from "./job-listing.ts";
import { purgeJobs } from "./purge.ts";
import { seqText } from "./row-head.ts";
import { extendScript } from "./scripts/extend.ts";
import { settleAll } from "./settle.ts";
import { laneStats } from "./stats.ts";
import type { Steps } from "./steps.ts";

export function jobStore(steps: Steps): JobStore {
  const { access } = steps;
  const inserter = new Inserter(steps);
  return {
    insert: (inserts) => inserter.insert(inserts),
    claim: (request) => claimJobs(steps, request),
    extend: (extensions, leaseMs) => extendAll(steps, extensions, leaseMs),
    settle: (settlements) => settleAll(steps, settlements),
    change: (changes, guardrails) => changeAll(steps, changes, guardrails),
    get: (id, tenant) => getJob(access, id, tenant),
    list: (filter, page) => listJobs(access, filter, page),
    stats: (filter) => laneStats(access, filter),
    purge: (request) => purgeJobs(access, request),
  };
}

function changeAll(
  steps: Steps,
  changes: readonly Change[],
  guardrails: Guardrails | undefined,
): Promise<ChangeAnswer[]> {
  return steps.run(
    (names) => {
      for (const { name } of changes) nameJob(names, name);
    },
    (workspace) => changes.map((change) => changeJob(workspace, change, guardrails)),
  );
}

function nameJob(names: Names, name: Change["name"]): void {
  if ("id" in name) names.jobs.add(name.id);
  else names.slot(name);
}

const outcomes: Readonly<Record<string, ExtendOutcome>> = { h: "held", c: "cancelling", l: "lost" };

async function extendAll(steps: Steps, extensions: readonly Extension[], leaseMs: number): Promise<ExtendOutcome[]> {
  const { access } = steps;
  const isPlain = ({ progress, log }: Extension) => progress === undefined && (log === undefined || log.length === 0);
  const plain = extensions.filter(isPlain);
  const reporting = extensions.filter((extension) => !isPlain(extension));
  const answers = new Map<Extension, Outcome<ExtendOutcome>>();
  if (plain.length > 0) {
    const args = plain.flatMap(({ lease: { id, queue, attempt, token, ref }, started }) => [
      typeof ref === "number" ? seqText(ref) : "",
      id,
      queue,
      token,
      attempt,
      started === true ? 1 : 0,
    ]);
    const reply = (await access.client.run(extendScript, [access.testNow(), leaseMs, ...args])) as readonly string[];
    for (const [index, extension] of plain.entries()) {
      answers.set(extension, { answer: outcomes[reply[index] ?? "l"] ?? "lost" });
    }
  }
  if (reporting.length > 0) {
    const report = () =>
      steps.run(
        (names) => {
          for (const { lease } of reporting) names.jobs.add(lease.id);
        },
        (workspace) => reporting.map((extension) => extendLease(workspace, extension, leaseMs)),
      );
    if (plain.length === 0) return await report();
    // Leases that were extended are extended, whatever becomes of the others.
    const extended = await outcomesOf(reporting.length, report);
    for (const [index, extension] of reporting.entries()) answers.set(extension, extended[index] ?? { answer: "lost" });
  }
  return answersOf(extensions.map((extension) => answers.get(extension) ?? { answer: "lost" }));
}
