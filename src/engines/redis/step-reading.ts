// What a step has read of the store, as its workspace wants it; and what of that must still be so when it is written.
import type { Millis } from "../../core/clock.ts";
import type { JobId } from "../../core/id.ts";
import type { KeyName, UsedKey } from "../../core/ledger.ts";
import { isActive, type Schedule, type ScheduleRef, type Unfinished } from "../../core/schedule.ts";
import { has, isNumber, isText } from "../../core/shape.ts";
import { parsedJson } from "../../core/stored-limits.ts";
import type { TenantId } from "../../core/tenant.ts";
import { Names, pairText, slotText } from "../../core/workspace/names.ts";
import { type Loaded, nothingLoaded } from "../../core/workspace/workspace.ts";
import { asRead, type Check, comparable } from "./checks.ts";
import { seqOf } from "./row-head.ts";
import { parseBase } from "./rows.ts";
import { readableSchedule, scheduleName } from "./schedule-rows.ts";
import { loadScript } from "./scripts/load.ts";
import type { Access } from "./store.ts";
import { readTenant } from "./tenant-rows.ts";

/** The schedules that were found due. */
export interface Due {
  readonly found: Schedule[];
  /** Those that are known to have fired further than the store says. */
  readonly behind: { readonly schedule: Schedule; readonly after: Millis }[];
  /** Those whose texts cannot be read: they stop ticking, and nobody else (S8). */
  readonly broken: ScheduleRef[];
}

export class Reading {
  readonly loaded: Loaded = nothingLoaded();
  readonly due: Due = { found: [], behind: [], broken: [] };
  readonly #checks = new Map<string, Check>();
  /** Unfinished jobs of schedules, as they were when all of these were listed. */
  readonly #listed = new Map<JobId, Unfinished["state"]>();
  readonly #access: Access;
  readonly #assumesNew: boolean;
  #hasAssumed = false;
  #now: Millis | undefined;

  /** @param assumesNew jobs that are about to be inserted stand nowhere yet, as a commit then compares */
  constructor(access: Access, { assumesNew }: { readonly assumesNew: boolean }) {
    this.#access = access;
    this.#assumesNew = assumesNew;
  }

  /** The instant of the step: that of its first look. */
  get now(): Millis {
    if (this.#now === undefined) throw new Error("nothing has been read yet");
    return this.#now;
  }

  /** @param now of a look before all others */
  begin(now: Millis): void {
    this.#now ??= now;
  }

  /** Whether jobs were taken to be new without a look. */
  get hasAssumed(): boolean {
    return this.#hasAssumed;
  }

  /** What must be as it was read. */
  get checks(): readonly Check[] {
    return [...this.#checks.values()];
  }

  /** Reads what is named, and what belongs to the jobs among it: key, schedule, the schedule's other jobs. */
  async load(names: Names): Promise<void> {
    await this.#load(names);
    const related = this.#related();
    if (related !== undefined) await this.#load(related);
  }

  async #load(names: Names): Promise<void> {
    const { loaded } = this;
    // No more than the jobs that are known end in the step: of so many and one, one is left.
    const enough = Math.max(names.jobs.size, loaded.jobs.size) + 1;
    const fresh = this.#assumesNew ? [] : names.fresh;
    if (this.#assumesNew) for (const id of names.fresh) this.#assumeNew(id);
    const { incarnations } = names;
    const wanted = {
      jobs: [...names.jobs, ...fresh],
      replacedBy: [...names.replacedBy, ...fresh],
      slots: [...names.slots.values()].map(slotName),
      some: [...names.someOf].filter((one) => !incarnations.has(one) && !loaded.unfinished.has(one)),
      all: [...incarnations],
      schedules: [...names.schedules.values()].map(scheduleName),
      tenants: [...names.tenants],
      counts: [...new Set([...names.unfinishedOf.keys(), ...names.activeOf.keys()])],
      used: [...names.usedKeys.values()].map((name) => name.join("\n")),
      fired: [...names.fired],
      queues: [...names.queues],
    };
    if (this.#now !== undefined && Object.values(wanted).every((list) => list.length === 0)) return;
    const request = JSON.stringify({ ...wanted, enough });
    const reply = await this.#access.client.run(loadScript, [this.#now ?? this.#access.testNow(), request]);
    const [now, jobs, replacedBy, slots, some, all, schedules, tenants, counts, used, fired, queues] =
      reply as unknown as Loads;
    this.#now ??= Number(now);
    each(wanted.jobs, jobs, (id, found) => this.#job(id, found));
    each(wanted.replacedBy, replacedBy, (by, found) => this.#replaced(by, found));
    each([...names.slots.keys()], slots, (text, found, index) => this.#slot(text, wanted.slots[index] ?? "", found));
    each(wanted.some, some, (incarnation, list) => this.#unfinished(incarnation, list, enough));
    each(wanted.all, all, (incarnation, list) => this.#unfinished(incarnation, list, undefined));
    each([...names.schedules.values()], schedules, (ref, text) => this.schedule(ref, text));
    each(wanted.tenants, tenants, (id, text) => this.#tenant(id, text));
    each(wanted.counts, counts, (id, [unfinished, active]) => {
      loaded.unfinishedCounts.set(id, Number(unfinished ?? 0));
      loaded.active.set(id, Number(active ?? 0));
    });
    each([...names.usedKeys.values()], used, (name, text) => this.#usedKey(name, text));
    each(wanted.fired, fired, (job, id) => {
      loaded.fired.set(job, id !== null);
      this.#check(["exists", "fired", job, id === null ? 0 : 1]);
    });
    each(wanted.queues, queues, (queue, text) => {
      loaded.limitedQueues.set(queue, text !== null && isLimiting(parsedJson(text)));
      // A limit that comes meanwhile has somebody wait for the place that the step frees.
      this.#check(asRead("queues", queue, text));
    });
  }

  /** Whether a schedule ticked, as it was read. */
  isTicking({ tenant, id }: ScheduleRef): boolean {
    const found = this.loaded.schedules.get(pairText(tenant, id));
    return found !== undefined && found !== "unreadable" && isActive(found);
  }

  /** A schedule as it was read. */
  schedule(ref: ScheduleRef, text: string | null): void {
    const found = text === null ? undefined : (readableSchedule(ref, text) ?? "unreadable");
    this.loaded.schedules.set(pairText(ref.tenant, ref.id), found);
    this.#check(asRead("schedules", scheduleName(ref), text));
  }

  /** What the end of the jobs that were read may touch, as far as it is not read yet. */
  #related(): Names | undefined {
    const related = new Names();
    const { loaded } = this;
    for (const stored of loaded.jobs.values()) {
      if (stored === undefined) continue;
      const { tenant, queue, key, schedule } = stored.job;
      if (key !== undefined && !loaded.slots.has(slotText({ tenant, queue, key })))
        related.slot({ tenant, queue, key });
      if (schedule === undefined) continue;
      const { id, incarnation } = schedule;
      if (!loaded.schedules.has(pairText(tenant, id))) related.schedule({ tenant, id });
      if (!loaded.unfinished.has(incarnation)) related.someOf.add(incarnation);
    }
    return related.slots.size + related.schedules.size + related.someOf.size === 0 ? undefined : related;
  }

  #assumeNew(id: JobId): void {
    this.#hasAssumed = true;
    if (!this.loaded.jobs.has(id)) this.#job(id, null);
    if (!this.loaded.replacedBy.has(id)) this.#replaced(id, null);
  }

  #job(id: JobId, found: FoundJob | null): void {
    if (found === null) {
      this.loaded.jobs.set(id, undefined);
      this.#check(["is", "ids", id, ""]);
      return;
    }
    const [seq, base, overlay] = found;
    const stored = base === null ? undefined : parseBase(seqOf(seq), base, overlay, this.now);
    this.loaded.jobs.set(id, stored);
    if (stored?.job.replacedBy !== undefined) this.loaded.replacedBy.set(stored.job.replacedBy, id);
    this.#check(asRead("jobs", seq, base));
    this.#check(["is", "live", seq, overlay ?? ""]);
    const listed = this.#listed.get(id);
    // It was decided upon as it was listed: a claim or an end since then has moved it.
    if (listed !== undefined) this.#checks.set(`listed ${id}`, ["exists", "live", seq, listed === "active" ? 1 : 0]);
  }

  #replaced(by: JobId, found: readonly [JobId, FoundJob | null] | null): void {
    this.loaded.replacedBy.set(by, found?.[0]);
    this.#check(["is", "replaced", by, found?.[0] ?? ""]);
    if (found !== null) this.#job(...found);
  }

  #slot(text: string, name: string, found: FoundSlots | null): void {
    const [stored = "", current, successor] = found ?? [];
    const [currentId = "", successorId = ""] = stored.split("\t");
    if (currentId !== "") this.#job(currentId, current ?? null);
    if (successorId !== "") this.#job(successorId, successor ?? null);
    this.loaded.slots.set(text, { current: currentId || undefined, successor: successorId || undefined });
    this.#check(["is", "slots", name, stored]);
  }

  /** @param enough so many are surely enough, whatever the step ends; undefined when all are wanted */
  #unfinished(incarnation: string, list: readonly (string | number)[], enough: number | undefined): void {
    const found: Unfinished[] = [];
    for (let index = 0; index < list.length; index += 2) {
      const id = `${list[index]}`;
      const state = list[index + 1] === 1 ? "active" : "pending";
      this.#listed.set(id, state);
      found.push({ id, state });
    }
    const { unfinished, partly } = this.loaded;
    unfinished.set(incarnation, found);
    const isPart = found.length === enough;
    if (isPart) partly.add(incarnation);
    else partly.delete(incarnation);
    this.#checks.delete(`u:${incarnation}`);
    this.#check([isPart ? "leaves" : "counts", `u:${incarnation}`, found.length]);
  }

  #tenant(id: TenantId, text: string | null): void {
    this.loaded.tenants.set(id, readTenant(id, text)?.guardrails);
    this.#check(asRead("tenants", id, text));
  }

  #usedKey([tenant, key]: readonly [TenantId, string], text: string | null): void {
    const stored = text === null ? undefined : parsedJson(text);
    const used = isUsedKey(stored) ? (stored as StoredKey) : undefined;
    const isLive = used !== undefined && used.expiresAt > this.now;
    this.loaded.usedKeys.set(pairText(tenant, key), isLive ? used : undefined);
    this.#check(["is", "idempotency", `${tenant}\n${key}`, text ?? ""]);
  }

  /** The first look is what the step decides upon; what a later one shows otherwise has moved. */
  #check(check: Check): void {
    const [, key, field] = check;
    const about = typeof field === "string" ? `${key}\n${field}` : key;
    if (!this.#checks.has(about)) this.#checks.set(about, comparable(check));
  }
}

type FoundJob = readonly [seq: string, base: string | null, overlay: string | null];
type FoundSlots = readonly [stored: string, current: FoundJob | null, successor: FoundJob | null];

/** What the script answers: its now, and a list for each kind of names. */
type Loads = readonly [
  now: string,
  jobs: readonly (FoundJob | null)[],
  replacedBy: readonly (readonly [JobId, FoundJob | null] | null)[],
  slots: readonly (FoundSlots | null)[],
  some: readonly (readonly (string | number)[])[],
  all: readonly (readonly (string | number)[])[],
  schedules: readonly (string | null)[],
  tenants: readonly (string | null)[],
  counts: readonly (readonly (string | null)[])[],
  used: readonly (string | null)[],
  fired: readonly (string | null)[],
  queues: readonly (string | null)[],
];

type StoredKey = UsedKey & { readonly expiresAt: Millis };

const isUsedKey = has({ body: isText, job: isText, dueAt: isNumber, expiresAt: isNumber });
const isLimiting = has({ concurrency: isNumber });

/** A key's slots as they are stored. */
export function slotName({ tenant, queue, key }: KeyName): string {
  return `${tenant}\n${queue}\n${key ?? ""}`;
}

function each<Name, Value>(
  names: readonly Name[],
  values: readonly Value[],
  take: (name: Name, value: Value, index: number) => void,
): void {
  for (const [index, name] of names.entries()) take(name, values[index] as Value, index);
}
