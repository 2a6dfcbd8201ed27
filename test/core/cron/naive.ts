/**
 * A slow, independent reading of CRON.md for the properties: minute by minute through real time, each minute's wall
 * clock asked of `Intl`.
 */

const MINUTE_MS = 60_000;

interface Clock {
  readonly wallMs: number;
  readonly day: string;
}

/** The wall clock of a zone at an instant, from `formatToParts`. */
export function clockOf(zoneId: string): (instant: number) => Clock {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zoneId,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return (instant) => {
    const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, value]));
    const get = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? "";
    const day = `${get("year").padStart(4, "0")}-${get("month")}-${get("day")}`;
    return { wallMs: Date.parse(`${day}T${get("hour")}:${get("minute")}:${get("second")}Z`), day };
  };
}

/** Whether a 5-field expression of numbers, stars, lists and ranges holds a wall time; vixie's rule for the days. */
export function matches(expression: string, wallMs: number): boolean {
  const [minute = "", hour = "", monthDay = "", month = "", weekday = ""] = expression.split(" ");
  const date = new Date(wallMs);
  if (
    !holds(minute, date.getUTCMinutes(), 0) ||
    !holds(hour, date.getUTCHours(), 0) ||
    !holds(month, date.getUTCMonth() + 1, 1)
  )
    return false;
  const byDate = holds(monthDay, date.getUTCDate(), 1);
  const byWeekday = holds(weekday, date.getUTCDay(), 0) || (date.getUTCDay() === 0 && holds(weekday, 7, 0));
  return monthDay.startsWith("*") || weekday.startsWith("*") ? byDate && byWeekday : byDate || byWeekday;
}

function holds(text: string, value: number, min: number): boolean {
  return text.split(",").some((term) => {
    const [body = "", step = "1"] = term.split("/");
    if (body === "*") return (value - min) % Number(step) === 0;
    const [from = "", to = from] = body.split("-");
    return value >= Number(from) && value <= Number(to) && (value - Number(from)) % Number(step) === 0;
  });
}

/** The ticks in (after, until] by CRON.md 4 and 5, for zones whose clocks change on a whole minute. */
export function naiveTicks(expression: string, zoneId: string, after: number, until: number): number[] {
  const clock = clockOf(zoneId);
  const [minute = "", hour = ""] = expression.split(" ");
  const wild = minute.includes("*") || hour.includes("*");
  const ticks: number[] = [];
  const begin = Math.floor(after / MINUTE_MS) * MINUTE_MS - 2 * 86_400_000;
  // The latest wall time seen: a fixed rule runs each nominal minute when the clock first shows it or jumps past it.
  let latest = clock(begin).wallMs;
  for (let instant = begin + MINUTE_MS; instant <= until; instant += MINUTE_MS) {
    const { wallMs } = clock(instant);
    const skipped = wallMs - latest - MINUTE_MS;
    let runs: boolean;
    if (wild) runs = matches(expression, wallMs);
    else {
      runs = wallMs > latest && matches(expression, wallMs);
      if (skipped > 0 && skipped < 3 * 3_600_000) {
        for (let wall = latest + MINUTE_MS; wall < wallMs && !runs; wall += MINUTE_MS) runs = matches(expression, wall);
      }
    }
    latest = Math.max(latest, wallMs);
    if (runs && instant > after) ticks.push(instant);
  }
  return ticks;
}
