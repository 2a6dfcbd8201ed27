/** A compiled cron rule as plain frozen data: bit masks only, below 1 KiB, safe to copy, compare and store. */

/** What an expression means. Bit n of a mask stands for the value n counted from the field's smallest value. */
export interface CronFields {
  /** Seconds 0-29 and 30-59: two words, because 60 bits do not fit in one. */
  readonly secondsLow: number;
  readonly secondsHigh: number;
  readonly minutesLow: number;
  readonly minutesHigh: number;
  readonly hours: number;
  /** Bit 0 is the 1st. */
  readonly monthDays: number;
  /** Bit 0 is January. */
  readonly months: number;
  /** Bit 0 is Sunday. */
  readonly weekdays: number;
  /** `L` and `L-n`: bit n is the day n days before the month's last. */
  readonly lastDays: number;
  /** `LW`: the month's last Monday to Friday. */
  readonly lastWorkday: boolean;
  /** `nW`: bit 0 is the Monday to Friday nearest to the 1st, in the same month; a month without that day has none. */
  readonly nearestWorkdays: number;
  /** `nL`: bit 0 is the month's last Sunday. */
  readonly lastWeekdays: number;
  /** `n#k`: five weekday masks, for the first to the fifth such day of the month. */
  readonly nthWeekdays: readonly number[];
  /** Whether a day must match day-of-month and day-of-week, or either (CRON.md 2). */
  readonly dayRule: "both" | "either";
  /** Whether every date matches: spares the calendar. */
  readonly everyDay: boolean;
  /** Whether seconds, minutes or hours hold a star (CRON.md 3). */
  readonly wild: boolean;
}

/** A field's name in errors, its bounds, and the names its values have. */
export interface FieldSpec {
  readonly name: "second" | "minute" | "hour" | "day-of-month" | "month" | "day-of-week";
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTH_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const SECOND: FieldSpec = { name: "second", min: 0, max: 59, names: [] };
const MINUTE: FieldSpec = { name: "minute", min: 0, max: 59, names: [] };
const HOUR: FieldSpec = { name: "hour", min: 0, max: 23, names: [] };
export const MONTH_DAY: FieldSpec = { name: "day-of-month", min: 1, max: 31, names: [] };
export const MONTH: FieldSpec = { name: "month", min: 1, max: 12, names: MONTH_NAMES };
/** 7 is accepted as Sunday where a value is read; steps run over 0-6. */
export const WEEKDAY: FieldSpec = { name: "day-of-week", min: 0, max: 6, names: DAY_NAMES };

/** The fields of a 6-field expression in order; a 5-field one starts at the second. */
export const FIELD_SPECS: readonly FieldSpec[] = [SECOND, MINUTE, HOUR, MONTH_DAY, MONTH, WEEKDAY];
