// Two ticker processes with wall clocks apart over one SQLite file, and the account of what they fired.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createScheduler, every, type Scheduler } from "punctual";
import { sqlite } from "punctual/sqlite";
import { type Child, startScript } from "./child.ts";
import type { SkewedOptions } from "./skewed-process.ts";

const secondMs = 1_000;

export interface SkewedTicker extends Child {
  readonly offsetMs: number;
  /** Ticks that it said it fired. */
  readonly fired: { readonly id: string; readonly tick: number }[];
  readonly errors: string[];
  /** Stops it from running, as a frozen machine would be; and lets it go on. */
  freeze(): void;
  thaw(): void;
}

/** What became of a schedule's ticks, by the audit log. */
export interface Account {
  readonly fired: readonly number[];
  readonly skipped: number;
  /** Ticks that fired more than once, or fired and were skipped. */
  readonly twice: readonly number[];
  /** Spans between two ticks in which one is missing. */
  readonly gaps: readonly string[];
  /** Jobs of the schedule. */
  readonly jobs: number;
}

export class SkewedPair implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "punctual-skewed-"));
  readonly #tickers: SkewedTicker[] = [];
  readonly file: string = join(this.#folder, "store.db");
  /** Creates and looks; fires nothing. Its clock is right. */
  readonly operator: Scheduler<unknown> = createScheduler({ engine: sqlite(this.file) }) as Scheduler<unknown>;

  /** One-second schedules without jitter, created by someone whose clock is off by so much. */
  async create(ids: readonly string[], offsetMs: number): Promise<void> {
    const now = () => Date.now() + offsetMs;
    await using creator = createScheduler({ engine: sqlite(this.file, { clock: { now } }) });
    const when = every("1s", { anchor: new Date(Math.floor(now() / secondMs) * secondMs) });
    for (const id of ids) await creator.schedules.create(id, { task: "note", when, overlap: "allow" });
  }

  /** Starts a ticker and waits until it has opened the store. */
  async start(options: Omit<SkewedOptions, "file">): Promise<SkewedTicker> {
    const script = fileURLToPath(new URL("skewed-process.ts", import.meta.url));
    const child = startScript(script, [JSON.stringify({ ...options, file: this.file })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ticker: SkewedTicker = {
      ...child,
      offsetMs: options.offsetMs,
      fired: [],
      errors: [],
      freeze: () => void child.process.kill("SIGSTOP"),
      thaw: () => void child.process.kill("SIGCONT"),
    };
    this.#tickers.push(ticker);
    const { stdout } = child.process;
    if (stdout === null) throw new Error("a ticker has no output");
    await new Promise<void>((resolve, reject) => {
      const lines = createInterface({ input: stdout });
      lines.on("line", (line) => {
        const said = JSON.parse(line) as { ready?: true; error?: string; id: string; tick: number };
        if (said.ready === true) resolve();
        else if (said.error !== undefined) ticker.errors.push(said.error);
        else ticker.fired.push(said);
      });
      lines.once("close", () => reject(new Error("a ticker ended before it was ready")));
    });
    return ticker;
  }

  /** Disables the schedules, ends the tickers gracefully and answers what became of each schedule's ticks. */
  async settle(ids: readonly string[]): Promise<ReadonlyMap<string, Account>> {
    for (const ticker of this.#tickers) {
      ticker.thaw();
      ticker.process.kill("SIGTERM");
    }
    await Promise.all(this.#tickers.map(({ ended }) => ended));
    const accounts = new Map<string, Account>();
    for (const id of ids) accounts.set(id, await this.#account(id));
    return accounts;
  }

  async #account(id: string): Promise<Account> {
    const spans: { readonly from: number; readonly to: number; readonly fired: boolean; readonly count: number }[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.operator.schedules.history(id, {
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const record of page.items) {
        if (record.outcome === "fired") {
          const tick = record.tick.getTime();
          spans.push({ from: tick, to: tick, fired: true, count: 1 });
        } else {
          spans.push({ from: record.tick.getTime(), to: record.through.getTime(), fired: false, count: record.count });
        }
      }
      cursor = page.next;
    } while (cursor !== undefined);
    spans.sort((a, b) => a.from - b.from);
    const twice: number[] = [];
    const gaps: string[] = [];
    for (const [index, span] of spans.entries()) {
      const before = spans[index - 1];
      if (before === undefined) continue;
      if (span.from <= before.to) twice.push(span.from);
      if (span.from > before.to + secondMs)
        gaps.push(`${new Date(before.to).toISOString()} to ${new Date(span.from).toISOString()}`);
    }
    const { items } = await this.operator.jobs.list({ schedule: id, limit: 1_000 });
    return {
      fired: spans.filter(({ fired }) => fired).map(({ from }) => from),
      skipped: spans.filter(({ fired }) => !fired).reduce((sum, { count }) => sum + count, 0),
      twice,
      gaps,
      jobs: items.length,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#tickers) process.kill("SIGKILL");
    await Promise.all(this.#tickers.map(({ ended }) => ended));
    await this.operator.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Waits until something holds, however long a busy machine takes. @throws after a minute */
export async function until(about: string, holds: () => boolean): Promise<void> {
  const from = performance.now();
  while (!holds()) {
    if (performance.now() - from > 60_000) throw new Error(`waited a minute for ${about}`);
    await sleep(20);
  }
}
