// A session on one of our engines, through the public API only and at default settings.
import { createScheduler, cron, type Engine, handle, task } from "punctual";
import type { Item, Session } from "./subject.ts";

/** The text that makes an input about 30 bytes long. */
const filler = "abcdef";

const noop = task<{ readonly sequence: number; readonly text: string }>("noop");

/** Opens a session on an engine, and its store, as the peers' sessions do. */
export async function openOurs<Tx>(engine: Engine<Tx>): Promise<Required<Omit<Session, "holdSnapshot">>> {
  await engine.open();
  const scheduler = createScheduler({ engine });
  const inputOf = (sequence: number) => ({ sequence, text: filler });
  const due = ({ dueAt }: Item) => (dueAt === undefined ? {} : { at: new Date(dueAt) });
  return {
    enqueue: (item) => scheduler.enqueue(noop, inputOf(item.sequence), due(item)),
    enqueueMany: (items) =>
      scheduler.enqueueMany(items.map((item) => ({ task: noop, input: inputOf(item.sequence), ...due(item) }))),
    work: async (onJob) => {
      scheduler.handle(handle(noop, (input, context) => onJob(input.sequence, context.tick?.at.getTime())));
      await scheduler.start();
    },
    schedule: (plans) =>
      scheduler.schedules.ensureMany(
        plans.map((plan) => ({
          id: `schedule-${plan.sequence}`,
          task: noop,
          input: inputOf(plan.sequence),
          when: cron(plan.cron),
        })),
      ),
    countSchedules: async () => {
      let count = 0;
      let cursor: string | undefined;
      do {
        const page = await scheduler.schedules.list({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
        count += page.items.length;
        cursor = page.next;
      } while (cursor !== undefined);
      return count;
    },
    tally: async () => {
      const { waiting, delayed, active, totals } = await scheduler.stats();
      return { completed: totals.completed, unfinished: waiting + delayed + active };
    },
    close: () => scheduler.stop(),
  };
}
