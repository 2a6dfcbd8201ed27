// What the example prints: one line per thing that happened, and the running figures.
import { styleText } from "node:util";
import type { JobEvent, Scheduler, SchedulerEvents } from "punctual";

type Colour = Parameters<typeof styleText>[0];

export class Summary {
  readonly #zones: ReadonlyMap<string, string>;
  readonly #startedAt = Date.now();
  readonly #latenessMs: number[] = [];
  /** When the jobs of ticks were due: the tick plus the schedule's jitter. */
  readonly #dueAt = new Map<string, Date>();
  readonly #lateMs = new Map<string, number>();
  readonly #counts = { completed: 0, failed: 0, cancelled: 0, retries: 0, fired: 0, skipped: 0 };

  /** Listens to the scheduler. `zones` has each tenant's time zone. */
  constructor(scheduler: Pick<Scheduler, "on">, zones: ReadonlyMap<string, string>) {
    this.#zones = zones;
    scheduler.on("job:started", (job) => this.#start(job));
    scheduler.on("job:completed", (job) => {
      this.#counts.completed += 1;
      this.#print("green", "completed", job, `${this.#lateness(job)}, took ${ms(job.durationMs)}`);
    });
    scheduler.on("job:retrying", (job) => {
      this.#counts.retries += 1;
      this.#print("yellow", "retrying", job, `${this.#lateness(job)}, attempt ${job.attempt}: ${job.error?.message}`);
    });
    scheduler.on("job:failed", (job) => {
      this.#counts.failed += 1;
      this.#print("red", "failed", job, `${this.#lateness(job)}, attempt ${job.attempt}: ${job.reason}`);
    });
    scheduler.on("job:cancelled", (job) => {
      this.#counts.cancelled += 1;
      this.#print("magenta", "cancelled", job, `${this.#lateness(job)}, a newer tick took its place`);
    });
    scheduler.on("job:lease-lost", (job) => this.#print("red", "lease lost", job, "another worker runs it again"));
    scheduler.on("tick:fired", ({ job, dueAt }) => {
      this.#counts.fired += 1;
      this.#dueAt.set(job, dueAt);
    });
    scheduler.on("tick:skipped", (run) => {
      this.#counts.skipped += run.count;
      const why = run.reason === "overlap" ? "the job before it is unfinished" : run.reason;
      const about = { task: "send-report", tenant: run.tenant, schedule: { id: run.id, tick: run.from } };
      this.#print("cyan", "skipped", about, run.count === 1 ? why : `${run.count} ticks: ${why}`);
    });
    scheduler.on("schedule:paused", ({ tenant, id }) => console.log(` schedule ${tenant}/${id} is paused: it fails`));
    scheduler.on("worker:error", ({ where, error }) => console.error(` ${where}:`, error));
  }

  /** The figures so far, in one line. */
  print(): void {
    const { completed, failed, cancelled, retries, fired, skipped } = this.#counts;
    const sorted = this.#latenessMs.toSorted((a, b) => a - b);
    const percentile = (share: number) => ms(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
    const jobs = `${completed} completed, ${failed} failed, ${cancelled} cancelled, ${retries} retries`;
    const ticks = `ticks: ${fired} fired, ${skipped} skipped`;
    const late = `late: p50 ${percentile(0.5)}, p99 ${percentile(0.99)}`;
    const seconds = Math.round((Date.now() - this.#startedAt) / 1_000);
    console.log(styleText("bold", `── after ${seconds} s · ${jobs} · ${ticks} · ${late}`));
  }

  #start(job: SchedulerEvents["job:started"]): void {
    const dueAt = this.#dueAt.get(job.id);
    this.#dueAt.delete(job.id);
    // `delayMs` counts from when the job could first run, which for a tick that was caught up is later than the tick.
    const lateMs = dueAt === undefined ? job.delayMs : performance.timeOrigin + performance.now() - dueAt.getTime();
    this.#lateMs.set(job.id, lateMs);
    // What fell due while nothing was running says nothing about how punctual this process is.
    if (Date.now() - lateMs > this.#startedAt) this.#latenessMs.push(lateMs);
  }

  #lateness({ id }: JobEvent): string {
    const lateMs = this.#lateMs.get(id) ?? 0;
    this.#lateMs.delete(id);
    return `${ms(lateMs)} late`;
  }

  #print(colour: Colour, what: string, job: Pick<JobEvent, "task" | "tenant" | "schedule">, detail: string): void {
    const { task, tenant, schedule } = job;
    const at = new Date().toISOString().slice(11, 23);
    const tick = schedule === undefined ? "timer" : `tick ${this.#wallTime(tenant, schedule.tick)}`;
    const subject = schedule === undefined ? tenant : `${tenant}/${schedule.id}`;
    const columns = [at, styleText(colour, what.padEnd(10)), task.padEnd(11), subject.padEnd(34), tick.padEnd(37)];
    console.log(` ${columns.join(" ")} ${detail}`);
  }

  /** A tick as the tenant's clock shows it. */
  #wallTime(tenant: string, tick: Date): string {
    const timeZone = this.#zones.get(tenant) ?? "UTC";
    return `${tick.toLocaleTimeString("en-GB", { timeZone })} ${timeZone}`;
  }
}

function ms(value: number): string {
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}
