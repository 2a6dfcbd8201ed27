// Goals and floors against the results: what was reached and what was missed.
import type { Found } from "../runner/discover.ts";
import { figureOf, type Result } from "../runner/result.ts";
import type { Bound, PeerSetting } from "../runner/subject.ts";

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
    const unit = unitOf(bound, result, results);
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

/** What a bound is counted in: 1, or what it is a share of; undefined when that was not measured. */
function unitOf(bound: Bound, result: Result, results: readonly Result[]): number | undefined {
  const { timesOwn, timesPeer } = bound;
  if (timesPeer !== undefined) return peerFigure(timesPeer, bound, result, results);
  if (timesOwn === undefined) return 1;
  const own = results.find((other) => isOf(other, result, timesOwn));
  return own === undefined ? undefined : figureOf(own);
}

/** The peer's figure of the same workload; one that failed its counts compares with nobody. */
function peerFigure(peer: PeerSetting, { of, atLeast }: Bound, result: Result, results: readonly Result[]) {
  const figures = results
    .filter(({ workload, subject, ok }) => workload === result.workload && subject === peer.name && ok)
    .filter(({ config }) => peer.config === undefined || config === peer.config)
    .map((other) => figureOf(other, of))
    .filter((figure) => figure !== undefined);
  if (figures.length === 0) return undefined;
  return atLeast === undefined ? Math.min(...figures) : Math.max(...figures);
}

function isOf(other: Result, result: Result, workload: string): boolean {
  return other.subject === result.subject && other.config === result.config && other.workload === workload;
}

function holds({ atLeast, atMost }: Bound, figure: number, unit: number): boolean {
  return (atLeast === undefined || figure >= atLeast * unit) && (atMost === undefined || figure <= atMost * unit);
}

function asked({ of = "value", atLeast, atMost, timesOwn, timesPeer }: Bound, { unit }: Result): string {
  const bound = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast.toLocaleString("en")}`;
  const what = of === "value" ? "" : `${of} `;
  if (timesOwn !== undefined) return `${what}${bound}x own ${timesOwn}`;
  if (timesPeer !== undefined) return `${what}${bound}x ${timesPeer.name}${settingOf(timesPeer)}`;
  return of === "value" || of === "p50" || of === "p99" ? `${what}${bound} ${unit}` : `${what}${bound}`;
}

function settingOf({ config }: PeerSetting): string {
  return config === undefined ? "" : ` ${config}`;
}
