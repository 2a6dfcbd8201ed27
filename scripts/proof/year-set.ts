// A realistic set of schedules for a year's play: many zones, every kind of rule and policy, handlers that take virtual
// time and fail. The same seed makes the same set.
import { cron, every, everyCalendar, except, once, type Rule, type ScheduleOptions, union } from "../../src/index.ts";
import { Random } from "../../test/simulation/random.ts";

const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** What a schedule's jobs do: how long they take, and which share of their attempts fails. */
export interface Work {
  readonly leastMs: number;
  readonly mostMs: number;
  readonly failing: number;
}

/** One schedule of the set, with what befalls it in the year. */
export interface Planned {
  readonly id: string;
  readonly options: Omit<ScheduleOptions<Work>, "task">;
  /** Disabled by an operator for so long from an instant. */
  readonly disabled?: { readonly at: number; readonly ms: number };
  /** What an operator changes, and when. */
  readonly change?: { readonly at: number; readonly to: Partial<Omit<ScheduleOptions<Work>, "task">> };
}

const zones: readonly string[] = [
  ...["UTC", "Europe/Berlin", "Europe/London", "Europe/Lisbon", "Europe/Madrid", "Europe/Athens", "Europe/Istanbul"],
  ...["Europe/Moscow", "Europe/Dublin", "Europe/Chisinau", "Atlantic/Azores", "America/New_York", "America/Chicago"],
  ...["America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"],
  ...["America/Halifax", "America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Mexico_City"],
  ...["America/Havana", "America/Asuncion", "Africa/Cairo", "Africa/Casablanca", "Africa/Lagos", "Asia/Jerusalem"],
  ...["Asia/Beirut", "Asia/Dubai", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Asia/Shanghai", "Asia/Singapore"],
  ...["Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Apia"],
];

export const queues: readonly string[] = Array.from({ length: 8 }, (_, index) => `queue-${index}`);

const holidays = ["2026-01-01", "2026-04-03", "2026-04-06", "2026-05-01", "2026-12-24", "2026-12-25", "2026-12-26"];

/** One kind of rule, how many of 2,000 schedules have it, and about how long it is between two of its ticks. */
interface Kind {
  readonly of2000: number;
  readonly gapMs: number;
  readonly make: Maker;
}

/** A cron rule whose times are drawn. */
function drawn(expression: (random: Random) => string): Maker {
  return (random, timezone) => cron(expression(random), { timezone });
}

const anyMinute = (random: Random) => random.between(0, 59);
const anyHour = (random: Random) => random.between(0, 23);
const officeHour = (random: Random) => random.between(6, 20);
const nearTheChange = (random: Random) => `${random.pick([0, 15, 30])} ${random.pick([1, 2])} * * *`;
const ofMonth = ["0 9 L * *", "0 17 LW * *", "30 7 15W * *", "0 10 * * MON#1", "0 18 * * FRI#3", "0 12 * * 5L"];

const often: readonly Kind[] = [
  { of2000: 1, gapMs: 5 * minuteMs, make: drawn(() => "*/5 8-17 * * MON-FRI") },
  { of2000: 1, gapMs: 10 * minuteMs, make: () => every("10m") },
  { of2000: 1, gapMs: 15 * minuteMs, make: drawn(() => "H/15 8-18 * * *") },
  { of2000: 3, gapMs: hourMs, make: drawn((random) => `${anyMinute(random)} * * * *`) },
  { of2000: 6, gapMs: hourMs, make: drawn(() => "0 8-18 * * MON-FRI") },
  { of2000: 3, gapMs: 90 * minuteMs, make: (random) => every(`${random.between(80, 100)}m`) },
  { of2000: 8, gapMs: 4 * hourMs, make: drawn((random) => `H */${random.pick([3, 4, 6])} * * *`) },
  { of2000: 8, gapMs: 8 * hourMs, make: (random) => every("8h", { anchor: anchorIn2025(random) }) },
  { of2000: 30, gapMs: 12 * hourMs, make: twiceADay },
];

const daily: readonly Kind[] = [
  { of2000: 110, gapMs: dayMs, make: drawn((random) => `${anyMinute(random)} ${anyHour(random)} * * *`) },
  { of2000: 20, gapMs: dayMs, make: whereClocksChange },
  { of2000: 30, gapMs: dayMs, make: drawn(() => "H H(0-6) * * *") },
  { of2000: 60, gapMs: dayMs, make: drawn((random) => `0 ${officeHour(random)} * * MON-FRI`) },
  { of2000: 30, gapMs: dayMs, make: (random, zone) => except(workday(random, zone), holidays) },
  { of2000: 20, gapMs: dayMs, make: (random, zone) => calendarRule({ days: random.between(1, 3) }, zone) },
  { of2000: 12, gapMs: 12 * hourMs, make: dailyAndMore },
  { of2000: 12, gapMs: dayMs, make: dailyButSome },
];

const seldom: readonly Kind[] = [
  {
    of2000: 660,
    gapMs: 7 * dayMs,
    make: drawn((random) => `${anyMinute(random)} ${anyHour(random)} * * ${random.between(0, 6)}`),
  },
  { of2000: 200, gapMs: 7 * dayMs, make: (random, zone) => calendarRule({ weeks: random.between(1, 2) }, zone) },
  { of2000: 382, gapMs: 30 * dayMs, make: drawn((random) => `0 ${anyHour(random)} 1 * *`) },
  { of2000: 170, gapMs: 30 * dayMs, make: drawn((random) => random.pick(ofMonth)) },
  { of2000: 170, gapMs: 30 * dayMs, make: (random, zone) => calendarRule({ months: random.pick([1, 3]) }, zone) },
  {
    of2000: 63,
    gapMs: dayMs,
    make: (random) => once(new Date(Date.UTC(2026, 0, 2) + random.between(0, 8_640) * hourMs)),
  },
];

const kinds: readonly Kind[] = [...often, ...daily, ...seldom];

type Maker = (random: Random, timezone: string) => Rule;

function twiceADay(random: Random, timezone: string): Rule {
  const hour = random.between(0, 11);
  return cron(`${anyMinute(random)} ${hour},${hour + 12} * * *`, { timezone });
}

function whereClocksChange(random: Random, timezone: string): Rule {
  const onGap = random.pick(["skip", "run-after"] as const);
  return cron(nearTheChange(random), { timezone, onGap, onOverlap: random.pick(["first", "both", "last"]) });
}

function workday(random: Random, timezone: string): Rule {
  return cron(`30 ${officeHour(random)} * * MON-FRI`, { timezone });
}

function dailyAndMore(random: Random, timezone: string): Rule {
  const weekend = cron(`0 ${random.between(11, 14)} * * SAT,SUN`, { timezone });
  return union(cron("0 9 * * MON-FRI", { timezone }), weekend, cron("0 9 1 * *", { timezone }));
}

function dailyButSome(_: Random, timezone: string): Rule {
  return except(cron("0 7 * * *", { timezone }), [cron("0 7 * * SAT", { timezone }), cron("0 7 L * *", { timezone })]);
}

function calendarRule(
  units: { readonly months?: number; readonly weeks?: number; readonly days?: number },
  timezone: string,
): Rule {
  return everyCalendar(units, { anchor: "2025-10-31T01:30:00Z", timezone });
}

function anchorIn2025(random: Random): Date {
  return new Date(Date.UTC(2025, 11, 30, random.between(0, 7)));
}

/** The set, in the order of its ids. @param from the year's begin; what befalls a schedule does within `spanMs` of it */
export function yearSet(seed: number, count: number, from: number, spanMs: number): readonly Planned[] {
  return Array.from({ length: count }, (_, index) => plan(new Random(`${seed}/${index}`), index, from, spanMs));
}

function plan(random: Random, index: number, from: number, spanMs: number): Planned {
  const timezone = zones[index % zones.length] ?? "UTC";
  const { gapMs, make } = kindOf(random.between(0, kinds.reduce((sum, { of2000 }) => sum + of2000, 0) - 1));
  const when = make(random, timezone);
  const fails = random.next();
  const input = { ...durationsOf(random, gapMs), failing: fails < 0.02 ? 0.8 : fails < 0.08 ? 0.2 : 0 };
  const options = {
    when,
    input,
    queue: queues[index % queues.length] ?? "",
    overlap: random.pick(["skip", "skip", "allow", "queue", "replace"] as const),
    catchUp: random.pick([
      "latest",
      "latest",
      "skip",
      "all",
      { policy: "all", limit: 3 },
      { policy: "latest", window: "6h" },
    ] as const),
    ...(random.chance(0.25) ? { jitter: random.pick(["30s", "5m", "15m"]) } : {}),
    ...(input.failing > 0 && random.chance(0.7) ? { pauseOnFailure: random.between(2, 4) } : {}),
    ...(random.chance(0.04) ? { startAt: new Date(from + random.between(0, spanMs / 3)) } : {}),
    ...(random.chance(0.04) ? { endAt: new Date(from + random.between(spanMs / 2, spanMs)) } : {}),
    ...(random.chance(0.03) ? { maxTicks: random.between(1, 200) } : {}),
  };
  const moment = () => from + random.between(dayMs, spanMs - dayMs);
  const changes = when.kind !== "once" && options.maxTicks === undefined;
  const fate = changes ? random.next() : 1;
  const id = `s-${String(index).padStart(4, "0")}`;
  if (fate < 0.04) return { id, options, disabled: { at: moment(), ms: random.between(hourMs, 20 * dayMs) } };
  if (fate < 0.06) return { id, options, change: { at: moment(), to: { when: make(random, timezone) } } };
  if (fate < 0.08) return { id, options, change: { at: moment(), to: { jitter: "2m", overlap: "skip" } } };
  return { id, options };
}

function kindOf(ticket: number): (typeof kinds)[number] {
  let left = ticket;
  for (const kind of kinds) {
    if (left < kind.of2000) return kind;
    left -= kind.of2000;
  }
  throw new Error("no kind has this ticket");
}

/** Most are done at once or in minutes; some take so long that the next tick comes meanwhile. */
function durationsOf(random: Random, gapMs: number): Pick<Work, "leastMs" | "mostMs"> {
  const luck = random.next();
  if (luck < 0.5) return { leastMs: 0, mostMs: 0 };
  const slow = Math.min(gapMs, 2 * dayMs);
  if (luck < 0.9) return { leastMs: 0.01 * slow, mostMs: 0.1 * slow };
  return { leastMs: 0.5 * slow, mostMs: 1.8 * slow };
}
