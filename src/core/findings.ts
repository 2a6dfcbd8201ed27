// What a look at a store's health finds: one line per check, for people and programs.

/** `warn`: it works, and will bite. `problem`: jobs or ticks are held up or in danger now. */
export type FindingStatus = "ok" | "warn" | "problem";

/** One finding. */
export interface Finding {
  /** What was looked at, in a word or two: "clock", "ticks", "leases". */
  readonly check: string;
  readonly status: FindingStatus;
  /** What there is, in a sentence. */
  readonly what: string;
  /** What to do about it; absent when all is well. */
  readonly mend?: string | undefined;
}

/** Nothing to do. */
export function fine(check: string, what: string): Finding {
  return { check, status: "ok", what };
}
