// Makes the stored schedules of a source what its records say: all of them at once, or one that changed.
// Revisions read before the load decide races: what anybody changed since then is left for the next reconciliation.
import { defaults } from "../core/defaults.ts";
import type { PutAnswer } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import { limitError } from "../core/guardrails.ts";
import type { SchedulePut } from "../core/schedule.ts";
import type { ClientHost } from "./client-host.ts";
import { announcePut, buildPut } from "./schedule-put.ts";
import type { ScheduleSource, SourceChange } from "./schedule-source.ts";
import { awaited, each, type Patience } from "./source-records.ts";
import { isOfStore, type SourceReports } from "./source-reports.ts";
import { keyOf, SourceSchedules, type StoredRef } from "./source-schedules.ts";

/** What one load has shown so far. */
interface Pass {
  /** What was stored before the load began. */
  readonly stored: ReadonlyMap<string, StoredRef>;
  /** Schedules that the records ask for. */
  readonly wanted: Set<string>;
  /** Ids of records that could not be used: what is stored of them stays, whatever the tenant. */
  readonly refused: Set<string>;
  /** Puts that met a limit: removals may make room for them. */
  readonly limited: { readonly put: SchedulePut; readonly answer: PutAnswer }[];
  records: number;
  /** A record without an id: it may be any of those that seem gone. */
  nameless: boolean;
}

export class SourceReconciler {
  readonly #source: ScheduleSource;
  readonly #host: ClientHost;
  readonly #reports: SourceReports;
  readonly #patience: Patience;
  readonly #schedules: SourceSchedules;
  /** Ids that the feed spoke of while a load is looked at: it knows better than the load. */
  #touched: Set<string> | undefined;
  #wasEmpty = false;

  constructor(source: ScheduleSource, host: ClientHost, reports: SourceReports, signal: AbortSignal) {
    this.#source = source;
    this.#host = host;
    this.#reports = reports;
    this.#patience = { clock: host.clock, signal, limitMs: defaults.sourceAnswerMsMax };
    this.#schedules = new SourceSchedules(host, `source:${source.name}`, signal);
  }

  /** Loads every record, saves what they say, and removes the schedules whose record is gone. */
  async reconcile(): Promise<void> {
    const touched = new Set<string>();
    this.#touched = touched;
    try {
      const pass: Pass = {
        stored: await this.#schedules.read(this.#source.idPrefix),
        wanted: new Set(),
        refused: new Set(),
        limited: [],
        records: 0,
        nameless: false,
      };
      await this.#saveAll(pass);
      const removed = this.#believes(pass) ? await this.#removeGone(pass) : 0;
      // Told only now: a limit that a removal lifts was none.
      const again = removed > 0 ? await this.#schedules.put(pass.limited.map(({ put }) => put)) : [];
      for (const [index, { put, answer }] of pass.limited.entries()) this.#conclude(pass, put, again[index] ?? answer);
      this.#reports.endOfLoad();
    } finally {
      this.#touched = undefined;
    }
  }

  /** Applies one change. Answers false when only a load can tell what it is. */
  async apply(message: unknown): Promise<boolean> {
    // The feed says that it has lost something.
    if (message instanceof Error) throw message;
    const change = message as Partial<SourceChange> | null | undefined;
    const id = idText(change?.id);
    if (id === undefined) {
      throw new InvalidInputError(`source ${this.#source.name}: a change names no id`, {
        field: "id",
      });
    }
    this.#touched?.add(this.#source.idPrefix + id);
    const source = this.#source;
    let record = change?.removed === true ? undefined : change?.record;
    if (record === undefined && change?.removed !== true) {
      if (source.loadOne === undefined) return false;
      const { signal } = this.#patience;
      record = (await awaited(source.loadOne(id, { signal }), "loadOne", this.#patience)) ?? undefined;
    }
    const put = record === undefined ? undefined : await this.#build(record, id);
    if (put === "refused") return true;
    if (put === undefined) {
      await this.#removeOne(id, change?.tenant);
      return true;
    }
    const [answer] = await this.#schedules.put([{ ...put, expected: "any" }]);
    this.#conclude(undefined, put, answer);
    // A new one may be one that moved here from another tenant. Whether it is still there as well, a load knows.
    if (answer?.outcome !== "created" || change?.tenant !== undefined) return true;
    return (await this.#schedulesOf(id)).length === 1;
  }

  async #saveAll(pass: Pass): Promise<void> {
    const { signal } = this.#patience;
    const loaded = await awaited(this.#source.load({ signal }), "load", this.#patience);
    let puts: SchedulePut[] = [];
    for await (const record of each(loaded, "load", this.#patience)) {
      pass.records++;
      const put = await this.#planned(pass, record);
      if (put !== undefined) puts.push(put);
      if (pass.records % defaults.sourceBatch > 0) continue;
      await this.#save(pass, puts);
      puts = [];
      await this.#schedules.pause();
    }
    await this.#save(pass, puts);
  }

  /** What a record of the load asks for, with the revision it may replace. */
  async #planned(pass: Pass, record: unknown): Promise<SchedulePut | undefined> {
    const id = this.#nameOf(pass, record);
    if (id === undefined) return undefined;
    const put = await this.#build(record, id);
    if (put === undefined) return undefined;
    if (put === "refused") {
      pass.refused.add(id);
      return undefined;
    }
    const key = keyOf(put);
    if (pass.wanted.has(key)) {
      this.#reports.refuse(id, new Error(`there are several records of this id in tenant ${put.tenant}`));
      pass.refused.add(id);
      return undefined;
    }
    pass.wanted.add(key);
    const stored = pass.stored.get(key);
    return stored === undefined ? put : { ...put, expected: stored.revision, of: stored.incarnation };
  }

  #nameOf(pass: Pass, record: unknown): string | undefined {
    const place = `at place ${pass.records} of the load`;
    try {
      const id = this.#idOf(record);
      if (id !== undefined) return id;
      this.#reports.refuse(place, new Error("it has no id"));
    } catch (error) {
      this.#reports.refuse(place, error);
    }
    pass.nameless = true;
    pass.refused.add(place);
    return undefined;
  }

  /** The put of a record, undefined when it is not active; what is wrong with it is told. */
  async #build(record: unknown, id: string): Promise<SchedulePut | "refused" | undefined> {
    try {
      const own = this.#idOf(record);
      if (own !== undefined && own !== id) throw new Error(`its change names ${id}, the record itself ${own}`);
      const options = this.#source.toSchedule(record);
      if (options === undefined) return undefined;
      return await buildPut(this.#host, this.#source.idPrefix + id, options, "absent", "");
    } catch (error) {
      if (isOfStore(error)) throw error;
      this.#reports.refuse(id, error);
      return "refused";
    }
  }

  async #save(pass: Pass, puts: readonly SchedulePut[]): Promise<void> {
    // What the feed has changed since this load began is newer than the load.
    const sent = puts.filter((put) => this.#touched?.has(put.id) !== true);
    const answers = await this.#schedules.put(sent);
    for (const [index, put] of sent.entries()) {
      const answer = answers[index];
      if (answer?.outcome === "limit") pass.limited.push({ put, answer });
      else this.#conclude(pass, put, answer);
    }
  }

  /** Tells what became of a put. */
  #conclude(pass: Pass | undefined, put: SchedulePut, answer: PutAnswer | undefined): void {
    const record = put.id.slice(this.#source.idPrefix.length);
    if (answer?.outcome === "limit") {
      this.#reports.refuse(record, limitError(answer, put.tenant));
      pass?.refused.add(record);
      return;
    }
    if (pass === undefined) this.#reports.forget(record);
    // Changed by somebody else since it was read: the next reconciliation looks at it again.
    if (answer === undefined || answer.outcome === "conflict" || answer.outcome === "absent") return;
    announcePut(this.#host, put, answer);
  }

  /** Whether a load may be taken for all there is. */
  #believes({ records, nameless, stored }: Pass): boolean {
    const { name, whenEmpty } = this.#source;
    if (records > 0 || stored.size === 0) {
      this.#wasEmpty = false;
      return !nameless;
    }
    const confirmed = whenEmpty === "remove" || (whenEmpty === "confirm" && this.#wasEmpty);
    if (!confirmed && !this.#wasEmpty) {
      const fate = whenEmpty === "keep" ? "they stay" : "they are removed if the next load is empty, too";
      const count = stored.size === 1 ? "1 schedule is" : `${stored.size} schedules are`;
      this.#reports.tell(new Error(`source ${name}: the load answered no records, ${count} stored: ${fate}`));
    }
    this.#wasEmpty = true;
    return confirmed;
  }

  async #removeGone({ stored, wanted, refused }: Pass): Promise<number> {
    const { length } = this.#source.idPrefix;
    const gone = [...stored].filter(
      ([key, { id }]) => !wanted.has(key) && !refused.has(id.slice(length)) && this.#touched?.has(id) !== true,
    );
    return await this.#schedules.remove(
      gone.map(([, { tenant, id, revision, incarnation }]) => ({ tenant, id, expected: revision, of: incarnation })),
    );
  }

  async #removeOne(id: string, tenant: string | undefined): Promise<void> {
    const found = await this.#schedulesOf(id, tenant);
    await this.#schedules.remove(found.map(({ tenant, id, incarnation }) => ({ tenant, id, of: incarnation })));
    this.#reports.forget(id);
  }

  /** What is stored of a record, of every tenant when none is named. */
  async #schedulesOf(id: string, tenant?: string): Promise<readonly StoredRef[]> {
    const scheduleId = this.#source.idPrefix + id;
    const found = await this.#schedules.read(scheduleId, tenant);
    return [...found.values()].filter((stored) => stored.id === scheduleId);
  }

  #idOf(record: unknown): string | undefined {
    return idText(this.#source.idOf(record));
  }
}

function idText(id: unknown): string | undefined {
  return (typeof id === "string" && id !== "") || typeof id === "number" ? String(id) : undefined;
}
