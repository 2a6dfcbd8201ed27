// Goals and floors against the results: what was reached and what was missed.
import type { Found } from "../runner/discover.ts";
import { figureOf, type Result } from "../runner/result.ts";
import type { Bound } from "../runner/subject.ts";

export interface Verdict {
  readonly workload: string;
  readonly subject: string;
  readonly kind: "goal" | "floor";
  /** What was asked for, in words. */
  readonly asked: string;
  /** Absent when what it is compared with was not measured, or fewer jobs than it is meant for. */
  readonly reached: boolean | undefined;
  /** The scale that was too small to judge. */
  readonly scale?: number;
}

/** The verdicts on one subject's result; `results` are those of the same run. */
export function verdictsOf(result: Result, found: Found, results: readonly Result[]): Verdict[] {
  const target = found.subject.targets?.[result.workload];
  if (target === undefined) return [];
  const judged = result.scale >= 1;
  const judge = (kind: Verdict["kind"]) => (bound: Bound) => {
    const own = bound.timesOwn === undefined ? undefined : results.find((other) => isOf(other, result, bound.timesOwn));
    const unit = bound.timesOwn === undefined ? 1 : own === undefined ? undefined : figureOf(own);
    const figure = figureOf(result, bound.of);
    return {
      workload: result.workload,
      subject: result.subject,
      kind,
      asked: asked(bound, result),
      reached: !judged || unit === undefined || figure === undefined ? undefined : holds(bound, figure, unit),
      ...(judged ? {} : { scale: result.scale }),
    };
  };
  return [...target.goals.map(judge("goal")), ...(target.floors ?? []).map(judge("floor"))];
}

function isOf(other: Result, result: Result, workload: string | undefined): boolean {
  return other.subject === result.subject && other.config === result.config && other.workload === workload;
}

function holds({ atLeast, atMost }: Bound, figure: number, unit: number): boolean {
  return (atLeast === undefined || figure >= atLeast * unit) && (atMost === undefined || figure <= atMost * unit);
}

function asked({ of = "value", atLeast, atMost, timesOwn }: Bound, { unit }: Result): string {
  const bound = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast.toLocaleString("en")}`;
  const what = of === "value" ? "" : `${of} `;
  if (timesOwn !== undefined) return `${what}${bound}x own ${timesOwn}`;
  return of === "value" || of === "p50" || of === "p99" ? `${what}${bound} ${unit}` : `${what}${bound}`;
}
