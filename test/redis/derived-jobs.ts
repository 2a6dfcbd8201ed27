// What follows from a deployment's jobs, recomputed from `jobs`, `live` and `lanes` alone: names, places, counters, indexes,
// slots, and the unfinished jobs of each schedule.
import type { Job } from "../../src/core/job.ts";
import { headOf } from "../../src/engines/redis/row-head.ts";
import { flagsOf, parseBase } from "../../src/engines/redis/rows.ts";
import type { Contents } from "./deployment-contents.ts";
import type { Derived } from "./derived.ts";

const nothing: Contents = new Map();
const firstNumber = 1_000_000_000_000;
const priorityStep = 2 ** 49;
const counters = { h: "held", a: "active", c: "completed", f: "failed", x: "cancelled" } as const;

/** What is known of one job. */
interface Row {
  readonly seq: string;
  readonly job: Job;
  readonly letter: string;
  readonly lane: string;
  readonly priority: string;
}

export function deriveJobs(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  const live = keys.get("live") ?? nothing;
  const jobs = keys.get("jobs") ?? nothing;
  for (const lane of lanesOf(keys, derived)) {
    for (const field of ["deferred", ...Object.values(counters)]) derived.count(`l:${lane}`, field, 0);
  }
  for (const seq of live.keys()) derived.expect(jobs.has(seq), `live ${seq} is of no job`);
  for (const [seq, base] of jobs) {
    const row = rowOf(seq, base, live.get(seq) ?? null, derived);
    if (row !== undefined) deriveJob(keys, derived, row);
  }
  expectSlotsInOrder(keys, derived);
  expectFairShare(keys, derived);
  for (const key of ["jobs", "live", "lanes"]) derived.own(key);
}

/** The numbers of all lanes; what their names lead to. */
function lanesOf(keys: ReadonlyMap<string, Contents>, derived: Derived): readonly string[] {
  const numbers: string[] = [];
  for (const [name, lane] of keys.get("lanes") ?? nothing) {
    const [queue = "", tenant = ""] = name.split("\n");
    numbers.push(lane);
    derived.put(`l:${lane}`, "queue", queue);
    derived.put(`l:${lane}`, "tenant", tenant);
    derived.put(`lanesOf:${tenant}`, lane);
    derived.put(`lanesIn:${queue}`, lane);
    derived.expect(Number(lane) - 1e9 <= metaOf(keys, "lane"), `lane ${lane} is beyond the last number of lanes`);
  }
  return numbers;
}

function metaOf(keys: ReadonlyMap<string, Contents>, field: string): number {
  return Number(keys.get("meta")?.get(field) ?? 0);
}

function rowOf(seq: string, base: string, overlay: string | null, derived: Derived): Row | undefined {
  const { damaged, job } = parseBase(Number(seq) - firstNumber, base, overlay, 0);
  const head = headOf(base);
  if (damaged === true) {
    derived.fault(`job ${seq} cannot be read: ${base.slice(0, 300)}`);
    return undefined;
  }
  const letter = overlay === null ? head.state : "a";
  derived.expect(overlay === null || "pa".includes(head.state), `job ${seq} has a lease in state ${head.state}`);
  derived.expect(overlay !== null || head.state !== "a", `job ${seq} is active without a lease`);
  if ("pha".includes(head.state)) {
    const { job: below } = parseBase(Number(seq) - firstNumber, base, null, 0);
    derived.expect(head.flags === flagsOf(below), `job ${seq} has the flags ${head.flags}`);
  }
  if (overlay !== null) {
    const [, , , , , lane, flags, state] = overlay.split("|");
    const kept = flagsOf({ key: job.key, schedule: job.schedule });
    const wanted = job.cancelRequested === true ? `${kept === "-" ? "" : kept}x` : kept;
    const isRight = lane === head.lane && state === head.state && flags === wanted;
    derived.expect(
      isRight,
      `the lease of job ${seq} says ${lane}|${flags}|${state}, not ${head.lane}|${wanted}|${head.state}`,
    );
  }
  return { seq, job, letter, lane: head.lane, priority: `${head.priority}` };
}

function deriveJob(keys: ReadonlyMap<string, Contents>, derived: Derived, row: Row): void {
  const { seq, job, letter, lane } = row;
  const { tenant, queue, id } = job;
  const isUnfinished = "pha".includes(letter);
  derived.put("ids", id, seq);
  derived.expect(keys.get("lanes")?.get(`${queue}\n${tenant}`) === lane, `job ${seq} is of lane ${lane}`);
  derived.expect(Number(seq) - firstNumber <= metaOf(keys, "seq"), `job ${seq} is beyond the last number`);
  if (job.replacedBy !== undefined) derived.put("replaced", job.replacedBy, id);
  if (letter in counters) derived.count(`l:${lane}`, counters[letter as keyof typeof counters]);
  if (letter === "a") {
    derived.put(`a:${queue}`, seq, job.leaseUntil);
    derived.count(`t:${tenant}`, "active");
  }
  if (letter === "p") derivePlace(keys, derived, row);
  if ("cfx".includes(letter)) deriveFinished(derived, row);
  deriveIndex(derived, isUnfinished ? "u" : letter, row);
  if (!isUnfinished) return;
  derived.count(`t:${tenant}`, "unfinished");
  if (job.schedule !== undefined) derived.put(`u:${job.schedule.incarnation}`, id, seq);
}

/** A waiting job stands in its lane or among its queue's deferred ones: which of them, only a claim decides. */
function derivePlace(keys: ReadonlyMap<string, Contents>, derived: Derived, { seq, job, lane, priority }: Row): void {
  if (keys.get(`r:${lane}`)?.has(seq)) {
    derived.put(`r:${lane}`, seq, job.priority * priorityStep + job.dueAt);
    return;
  }
  derived.put(`d:${job.queue}`, `${seq}:${priority}:${lane}`, job.dueAt);
  derived.count(`l:${lane}`, "deferred");
}

function deriveFinished(derived: Derived, { seq, job, letter, lane }: Row): void {
  const group = letter === "c" ? "c" : "e";
  const member = `${seq}:${job.id}:${lane}`;
  derived.put(`f:${job.queue}:${group}`, member, job.finishedAt);
  derived.put("finished", seq, job.finishedAt);
  if (job.expiresAt !== undefined) derived.put("expiring", `${member}:${group}`, job.expiresAt);
}

function deriveIndex(derived: Derived, kind: string, { seq, job }: Row): void {
  const number = Number(seq) - firstNumber;
  const chunk = Math.floor(number / 512);
  for (const scope of ["g", `t${job.tenant}`, `q${job.queue}`]) {
    // Many jobs share a chunk.
    derived.count(`I:${kind}:${scope}`, `${chunk}`, 0);
    derived.put(`i:${kind}:${chunk}:${scope}`, `${number % 512}`);
  }
}

/** A key's slots name the unfinished jobs that have it; a successor waits beside an active job only (T2). */
function expectSlotsInOrder(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  const slots = new Map<string, { current?: Row; successor?: Row }>();
  const live = keys.get("live") ?? nothing;
  for (const [seq, base] of keys.get("jobs") ?? nothing) {
    const { job } = parseBase(Number(seq) - firstNumber, base, live.get(seq) ?? null, 0);
    const letter = live.has(seq) ? "a" : headOf(base).state;
    if (job.key === undefined || !"pha".includes(letter)) continue;
    const name = `${job.tenant}\n${job.queue}\n${job.key}`;
    const of = slots.get(name) ?? {};
    const which = letter === "h" ? "successor" : "current";
    derived.expect(of[which] === undefined, `key ${name} has two jobs as ${which}`);
    of[which] = { seq, job, letter, lane: "", priority: "" };
    slots.set(name, of);
  }
  for (const [name, { current, successor }] of slots) {
    derived.put("slots", name, `${current?.job.id ?? ""}\t${successor?.job.id ?? ""}`);
    derived.expect(
      successor === undefined || current?.letter === "a",
      `the successor of key ${name} waits for nothing`,
    );
  }
}

/** Lanes with ready jobs stand in their queue's fair share at their pass, none beyond the greatest. */
function expectFairShare(keys: ReadonlyMap<string, Contents>, derived: Derived): void {
  derived.own("g");
  for (const [name, lane] of keys.get("lanes") ?? nothing) {
    const [queue = ""] = name.split("\n");
    const pass = keys.get(`l:${lane}`)?.get("pass") ?? "0";
    if (keys.has(`r:${lane}`)) derived.put(`s:${queue}`, lane, pass);
    const greatest = keys.get("g")?.get(queue) ?? "0";
    derived.expect(Number(pass) <= Number(greatest), `lane ${lane} is at ${pass}, beyond the greatest ${greatest}`);
    for (const [total, kept] of [
      ["tcompleted", "completed"],
      ["tfailed", "failed"],
      ["tcancelled", "cancelled"],
    ] as const) {
      const of = keys.get(`l:${lane}`);
      derived.expect(
        Number(of?.get(total) ?? 0) >= Number(of?.get(kept) ?? 0),
        `lane ${lane} keeps more than ${total}`,
      );
    }
  }
}
