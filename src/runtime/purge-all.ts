// A purge by someone: batch after batch until nothing is left, with a turn of the event loop between two.
import type { PurgeAnswer } from "../core/engine.ts";
import type { RuntimeClock } from "./clock.ts";

/** Repeats a bounded purge and answers how many rows went in all. A batch whose outcome is unknown ends it with the error. */
export async function purgeAll(
  clock: RuntimeClock,
  purge: (next: string | undefined) => Promise<PurgeAnswer>,
): Promise<number> {
  let deleted = 0;
  let next: string | undefined;
  for (;;) {
    const answer = await purge(next);
    deleted += answer.deleted;
    if (!answer.more) return deleted;
    next = answer.next;
    await new Promise<void>((resolve) => clock.soon(resolve));
  }
}
