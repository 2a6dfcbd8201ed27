// The tasks of a simulated world: handlers that are quick, slow, deaf to their signal, that fail, kill their process,
// or set themselves anew.
import { type Context, type Handler, handle, type Task, task } from "../../src/index.ts";
import { sleep } from "../../src/runtime/clock.ts";
import type { SimulatedProcess } from "./process.ts";
import type { Run } from "./runs.ts";

/** What every job carries: the request that made it, or nothing for a schedule's. */
export interface Input {
  readonly r?: number;
}

const retry = { attempts: 3, backoff: { type: "fixed", delay: 400 } } as const;

/** Returns at once. */
export const quick: Task<Input> = task<Input>("quick", { retry });
/** Takes its time, and stops when it is told to. */
export const work: Task<Input> = task<Input>("work", { retry });
/** Takes longer than a lease. */
export const long: Task<Input> = task<Input>("long", { retry, queue: "long" });
/** Takes long and ignores its signal. */
export const deaf: Task<Input> = task<Input>("deaf", { retry, queue: "long" });
/** Throws now and then. */
export const flaky: Task<Input> = task<Input>("flaky", { retry });
/** Always throws. */
export const broken: Task<Input> = task<Input>("broken", { retry });
/** Kills its process, mostly. */
export const poison: Task<Input> = task<Input>("poison", { retry, queue: "long" });
/** Sets itself anew under its own key. */
export const rearm: Task<Input> = task<Input>("rearm", { retry });

type Body = (process: SimulatedProcess, run: Run, context: Context) => unknown;

const bodies: readonly (readonly [Task<Input>, Body])[] = [
  [quick, () => {}],
  [work, (process, run) => pause(process, run, process.world.random.between(1, 2_000))],
  [
    long,
    (process, run) => {
      const { leaseMs } = process.world;
      return pause(process, run, process.world.random.between(leaseMs, 2 * leaseMs));
    },
  ],
  [
    deaf,
    (process) => {
      const { leaseMs, random } = process.world;
      return sleep(process.clock, random.between(100, 2 * leaseMs));
    },
  ],
  [
    flaky,
    async (process, run) => {
      await pause(process, run, process.world.random.between(0, 50));
      if (process.world.random.chance(0.5)) throw new Error("flaky");
    },
  ],
  [
    broken,
    () => {
      throw new Error("broken");
    },
  ],
  [
    poison,
    async (process, run) => {
      if (process.world.random.chance(0.8))
        process.clock.after(process.world.random.between(0, 400), () => process.crash());
      await pause(process, run, 500);
    },
  ],
  [
    rearm,
    async (process, run, { enqueue, job }) => {
      const { world } = process;
      await pause(process, run, world.random.between(0, 500));
      if (!world.quiet && job.key !== undefined) {
        const delay = world.random.between(0, 3_000);
        const { id } = await enqueue(rearm, { r: world.nextRequest() }, { key: job.key, onConflict: "replace", delay });
        world.told(id);
        await pause(process, run, world.random.between(0, 500));
      }
      if (world.random.chance(0.2)) throw new Error("after it was set anew");
    },
  ],
];

/** The handlers of a process; each says truthfully what it did. */
export function handlersOf(process: SimulatedProcess): Handler[] {
  return bodies.map(([of, body]) =>
    handle(of, async (input, context) => {
      const { world } = process;
      const run: Run = {
        job: context.job.id,
        attempt: context.attempt,
        worker: process.name,
        request: input.r,
        signal: context.signal,
        beganAt: world.timeline.now(),
      };
      process.begin(run);
      try {
        await body(process, run, context);
        process.end(run, "returned");
      } catch (error) {
        process.end(run, run.signal.aborted ? "aborted" : "threw");
        throw error;
      }
    }),
  );
}

/** Waits; throws when the run is told to stop. */
async function pause(process: SimulatedProcess, { signal }: Run, ms: number): Promise<void> {
  await sleep(process.clock, ms, signal);
  if (signal.aborted) throw signal.reason;
}
