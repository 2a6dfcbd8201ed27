// The books of a played year: each schedule's account, the jobs that fired ticks have made, and how often what came about.
import type { EventView } from "../../src/index.ts";
import { Account } from "./year-account.ts";
import type { Planned } from "./year-set.ts";

export class Ledger {
  /** By kind: "fired", "skipped as late", ... */
  readonly counts = new Map<string, number>();
  /** Schedules that failures have paused, and since when. */
  readonly paused = new Map<string, number>();
  readonly #accounts: ReadonlyMap<string, Account>;
  /** Jobs of fired ticks that have not ended, and ended ones whose tick was not read yet. */
  readonly #jobs = new Map<string, "fired" | "ended">();
  readonly #until: number;
  readonly #shortcomings: string[];

  /** @param shortcomings told of everything that is not as it should be */
  constructor(planned: readonly Planned[], until: number, shortcomings: string[]) {
    this.#accounts = new Map(
      planned.map(({ id, options }) => [id, new Account(id, options.maxTicks, shortcomings)] as const),
    );
    this.#until = until;
    this.#shortcomings = shortcomings;
  }

  get ticks(): number {
    return [...this.#accounts.values()].reduce((sum, { size }) => sum + size, 0);
  }

  account(id: string | undefined): Account {
    const account = this.#accounts.get(id ?? "");
    if (account === undefined) throw new Error(`no schedule ${id} is in the set`);
    return account;
  }

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  /** Enters an event of the audit log. */
  hear(event: EventView): void {
    switch (event.type) {
      case "tick:fired":
        this.account(event.schedule).fire(event);
        this.count("fired");
        if (event.data.dueAt > event.data.tick && event.data.latenessMs === 0) this.count("fired with jitter");
        if (event.data.latenessMs > 5_000) this.count("fired late, or held");
        this.#toggle(event.job ?? "", "fired");
        break;
      case "tick:skipped":
        // The next year's, of a schedule that is paused while the last jobs end.
        if (event.data.from.getTime() > this.#until) return;
        this.account(event.schedule).skip(event);
        this.count(`skipped as ${event.data.reason}`, event.data.count);
        break;
      case "job:failed":
      case "job:cancelled":
        this.ended(event.job ?? "", event.type.slice(4));
        break;
      case "schedule:paused":
        this.paused.set(event.schedule ?? "", event.at.getTime());
        this.count("paused after failures");
        break;
      case "schedule:disabled":
        if (event.data.reason?.includes("cannot be evaluated"))
          this.#shortcomings.push(`${event.schedule}: ${event.data.reason}`);
    }
  }

  /** A job has come to its end. */
  ended(id: string, how: string): void {
    this.count(`jobs ${how}`);
    this.#toggle(id, "ended");
  }

  /** A tick's job ends once: whichever is heard of second strikes it out. */
  #toggle(id: string, what: "fired" | "ended"): void {
    const other = this.#jobs.get(id);
    if (other === what) this.#shortcomings.push(`job ${id} has ${what} twice`);
    if (other === undefined) this.#jobs.set(id, what);
    else this.#jobs.delete(id);
  }

  /** Tells of ticks that nothing became of, and of jobs that have not ended. @param ended all that the store knows of */
  close(ended: number): void {
    for (const account of this.#accounts.values()) account.close();
    const fired = this.counts.get("fired") ?? 0;
    if (ended !== fired) this.#shortcomings.push(`${fired} ticks fired, and ${ended} jobs have ended`);
    for (const [id, state] of this.#jobs) this.#shortcomings.push(`job ${id} has only ${state}`);
  }
}
