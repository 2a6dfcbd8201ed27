// Makes a sequence that fails shorter while it still fails: whole runs of calls go, then single ones, then the items of
// calls that carry lists.
import type { Call } from "./call.ts";

/** Whether a sequence still fails; the answer is the part of it that is needed, up to its failure. */
export type Fails = (calls: readonly Call[]) => Promise<readonly Call[] | undefined>;

/** The shortest failing sequence that was found within so many tries. */
export async function shrink(calls: readonly Call[], fails: Fails, triesMax = 2_000): Promise<readonly Call[]> {
  let tries = 0;
  const shorter = async (candidate: readonly Call[]) => (tries++ < triesMax ? await fails(candidate) : undefined);
  let best = calls;
  for (let before = -1; before !== size(best) && tries < triesMax; ) {
    before = size(best);
    best = await withoutRuns(best, shorter);
    best = await withoutItems(best, shorter);
  }
  return best;
}

function size(calls: readonly Call[]): number {
  return JSON.stringify(calls).length;
}

async function withoutRuns(calls: readonly Call[], fails: Fails): Promise<readonly Call[]> {
  let best = calls;
  for (let length = Math.ceil(best.length / 2); length >= 1; length = Math.floor(length / 2)) {
    for (let from = best.length - length; from >= 0; from -= length) {
      const found = await fails([...best.slice(0, from), ...best.slice(from + length)]);
      if (found !== undefined) best = found;
    }
  }
  return best;
}

async function withoutItems(calls: readonly Call[], fails: Fails): Promise<readonly Call[]> {
  let best = calls;
  for (let at = calls.length - 1; at >= 0; at--) {
    for (let found: readonly Call[] | undefined = best; found !== undefined; ) {
      best = found;
      found = await withoutItem(best, at, fails);
    }
  }
  return best;
}

async function withoutItem(calls: readonly Call[], at: number, fails: Fails): Promise<readonly Call[] | undefined> {
  const call = calls[at];
  for (const smaller of call === undefined ? [] : smallerOf(call)) {
    const found = await fails(calls.with(at, smaller));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The call with an item of one of its lists left out, each by itself. */
function smallerOf(call: Call): readonly Call[] {
  return without(call, 3).map((value) => value as Call);
}

/** A value with one item less in one list, or one optional member less, however deep. */
function without(value: unknown, depth: number): readonly unknown[] {
  if (typeof value !== "object" || value === null || depth === 0) return [];
  if (Array.isArray(value)) {
    const shorter = value.length < 2 ? [] : value.map((_, index) => value.toSpliced(index, 1));
    const inner = value.flatMap((item, index) => without(item, depth - 1).map((one) => value.with(index, one)));
    return [...shorter, ...inner];
  }
  return Object.entries(value).flatMap(([name, member]) => {
    const inner = without(member, depth - 1).map((one) => ({ ...value, [name]: one }));
    return isOptional(name, value) ? [omit(value, name), ...inner] : inner;
  });
}

/** Members that every call may do without. */
const optional: ReadonlySet<string> = new Set([
  ...["actor", "guardrails", "idempotency", "metadata", "attemptsMax", "onConflict", "log", "progress", "record"],
  ...["started", "only", "states", "concurrency", "rate", "weight", "paused", "cancelPending"],
]);

/** A job may do without its key; what is named by one may not. */
function isOptional(name: string, of: object): boolean {
  return optional.has(name) || (name === "key" && "priority" in of);
}

function omit(value: object, name: string): object {
  return Object.fromEntries(Object.entries(value).filter(([other]) => other !== name));
}
