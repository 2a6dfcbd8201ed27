// The first line of a job's base text: what scripts look at. Read by hand, as every claim reads one per job.
import type { Millis } from "../../core/clock.ts";

export interface Head {
  /** The revision of the base text's last write. */
  readonly rev: string;
  readonly state: "p" | "h" | "a" | "c" | "f" | "x";
  readonly priority: number;
  readonly dueAt: Millis;
  readonly createdAt: Millis;
  readonly lane: string;
  readonly attempt: number;
  readonly flags: string;
  /** Where the line ends. */
  readonly end: number;
}

/** The head of a base text; of a damaged one what there is, with NaN for what is no number. */
export function headOf(base: string): Head {
  const line = base.indexOf("\n");
  const end = line === -1 ? base.length : line;
  const first = base.indexOf(",");
  const second = base.indexOf(",", first + 1);
  const third = base.indexOf(",", second + 1);
  const fourth = base.indexOf(",", third + 1);
  const fifth = base.indexOf(",", fourth + 1);
  const sixth = base.indexOf(",", fifth + 1);
  const seventh = base.indexOf(",", sixth + 1);
  if (first === -1 || fifth < fourth || sixth < fifth || seventh < sixth || seventh > end) return noHead(end);
  return {
    rev: base.slice(0, first),
    state: base.slice(first + 1, second) as Head["state"],
    priority: Number(base.slice(second + 1, third)),
    dueAt: Number(base.slice(third + 1, fourth)),
    createdAt: Number(base.slice(fourth + 1, fifth)),
    lane: base.slice(fifth + 1, sixth),
    attempt: Number(base.slice(sixth + 1, seventh)),
    flags: base.slice(seventh + 1, end),
    end,
  };
}

function noHead(end: number): Head {
  const none = Number.NaN;
  return {
    rev: "",
    state: "p",
    priority: none,
    dueAt: none,
    createdAt: none,
    lane: "",
    attempt: none,
    flags: "-",
    end,
  };
}

// The contract counts insertions from 1; stored numbers have 13 digits, so that the order of texts is that of numbers.
const firstSeq = 1_000_000_000_000;

/** The contract's seq of a stored one. */
export function seqOf(text: string): number {
  return Number(text) - firstSeq;
}

/** A contract's seq as it is stored. */
export function seqText(seq: number): string {
  return `${seq + firstSeq}`;
}
