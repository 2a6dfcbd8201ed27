// What a store that forgets has lost, and what came of it: writes that it had acknowledged, ticks that fired again.
import { doubled, nameOfTick } from "../tick-account.ts";
import { type Account, named, type Remains } from "./remains.ts";

/** An acknowledgement may be written down so much later than it came. */
const writtenDownMs = 2_000;

/** The count of how far back from the loss the first acknowledgement lies that is lost. */
export const lastLost = "lost were acknowledgements of the last ms";

type Named = Readonly<Record<string, readonly string[]>>;

/** What is as it must be only where the store has kept all that it acknowledged. */
export function lossAccount({ effects, jobs, lostAt, forgets }: Remains): Account {
  const dueAt = new Map(jobs.map((job) => [job.id, job.attempt === 1 ? job.dueAt : 0]));
  const createdAt = new Map(jobs.map((job) => [job.id, job.createdAt]));
  const started = effects.filter(({ kind }) => kind === "started");
  const runs = started.flatMap(({ schedule, tick, job }) => (tick === undefined ? [] : [`${schedule} ${tick} ${job}`]));
  const lost = effects.filter(({ kind, job = "" }) => kind === "accepted" && !dueAt.has(job));
  const done = effects.filter(({ kind }) => kind === "done");
  const ofWrites = {
    "accepted and lost": [...new Set(lost.map(({ job = "" }) => job))],
    "effects of jobs that the store does not have": done.flatMap(({ job = "" }) => (dueAt.has(job) ? [] : [job])),
    "attempts begun twice": doubled(started.map(({ job, attempt }) => `${job} attempt ${attempt}`)),
    "begun before they were due": started.flatMap(({ job = "", at }) => {
      const earlyMs = (dueAt.get(job) ?? 0) - at;
      return earlyMs > 2 ? [`${job}, ${earlyMs.toFixed(1)} ms early`] : [];
    }),
  };
  const ofTicks = {
    "ticks fired again, as all of the first time was lost": started.flatMap(({ at, job = "", schedule, tick }) =>
      tick !== undefined && at < (createdAt.get(job) ?? 0) - 2 ? [nameOfTick("", schedule, tick)] : [],
    ),
  };
  const counted: Named = lostAt === undefined ? {} : forgets ? { ...ofWrites, ...ofTicks } : ofWrites;
  const strict: Named = lostAt === undefined ? { ...ofWrites, ...ofTicks } : forgets ? {} : ofTicks;
  const shortcomings = [
    ...Object.entries(strict).flatMap(([what, items]) => named(what, items)),
    ...named(
      "ticks that ran as two jobs",
      doubled([...new Set(runs)].map((run) => run.slice(0, run.lastIndexOf(" ")))),
    ),
  ];
  if (lostAt === undefined) return { counts: {}, shortcomings };
  const counts = Object.entries(counted).map(([what, items]) => [what, items.length] as const);
  const firstLostAt = lost.reduce((first, { at }) => Math.min(first, at), lostAt);
  const tooLate = lost.flatMap(({ at, job = "" }) => (at > lostAt + writtenDownMs ? [job] : []));
  return {
    counts: {
      ...Object.fromEntries(counts),
      [lastLost]: Math.round(lostAt - firstLostAt),
    },
    shortcomings: [...shortcomings, ...named("accepted after the loss, and lost", tooLate)],
  };
}
