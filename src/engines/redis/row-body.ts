// The detail of a job's base text: JSON of what no script looks at, with short names, as there are millions of them.
import type { Job, NewJob } from "../../core/job.ts";
import { detailValueOf } from "../../core/stored-job.ts";

/** What a base text's detail holds beside core's detail `d`; absent members are as in a new job. */
export interface Body {
  readonly i: string;
  readonly t: string;
  readonly q: string;
  readonly k: string;
  readonly y?: string | undefined;
  /** Schedule, incarnation, tick, missed. */
  readonly o?: readonly [string, string, number, number] | undefined;
  /** Scripts look for it under this name. */
  readonly by?: string | undefined;
  readonly to?: string | undefined;
  readonly w?: string | undefined;
  readonly c?: number | undefined;
  readonly l?: number | undefined;
  readonly s?: boolean | undefined;
  readonly x?: boolean | undefined;
  readonly f?: number | undefined;
  readonly e?: number | undefined;
  readonly d?: unknown;
}

/** The detail of a base text: JSON without line feeds and tabs. */
export function detailText(job: Partial<Job> & Pick<Job, "id" | "tenant" | "queue" | "task">): string {
  const { schedule: from, state } = job;
  const isActive = state === "active";
  const body: Body = {
    i: job.id,
    t: job.tenant,
    q: job.queue,
    k: job.task,
    y: job.key,
    o: from === undefined ? undefined : [from.id, from.incarnation, from.tick, from.missed],
    by: job.replacedBy,
    to: job.token,
    w: isActive ? job.worker : undefined,
    c: isActive ? job.claimedAt : undefined,
    l: isActive ? job.leaseUntil : undefined,
    s: (isActive && job.started) || undefined,
    x: job.cancelRequested || undefined,
    f: job.finishedAt,
    e: job.expiresAt,
  };
  const text = JSON.stringify(body);
  const detail = JSON.stringify(detailValueOf(job));
  return detail === "{}" ? text : `${text.slice(0, -1)},"d":${detail}}`;
}

/** The same of a new job: most have nothing but their names, for speed. */
export function newDetailText(job: NewJob): string {
  const { id, tenant, queue, task, key, schedule, metadata, attemptsMax } = job;
  if (key !== undefined || schedule !== undefined || metadata !== undefined || attemptsMax !== undefined) {
    return detailText(job);
  }
  return `{"i":"${id}","t":${JSON.stringify(tenant)},"q":${JSON.stringify(queue)},"k":${JSON.stringify(task)}}`;
}

/** Whether a parsed detail has the shape it was written with; `d` is for core to check. */
export function isBody(value: unknown): value is Body {
  if (typeof value !== "object" || value === null) return false;
  const { i, t, q, k, y, o, by, to, w, c, l, s, x, f, e } = value as { readonly [Name in keyof Body]: unknown };
  return (
    typeof i === "string" &&
    typeof t === "string" &&
    typeof q === "string" &&
    typeof k === "string" &&
    isTextOrNone(y) &&
    (o === undefined || isOrigin(o)) &&
    isTextOrNone(by) &&
    isTextOrNone(to) &&
    isTextOrNone(w) &&
    isNumberOrNone(c) &&
    isNumberOrNone(l) &&
    isFlagOrNone(s) &&
    isFlagOrNone(x) &&
    isNumberOrNone(f) &&
    isNumberOrNone(e)
  );
}

function isTextOrNone(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function isNumberOrNone(value: unknown): boolean {
  return value === undefined || typeof value === "number";
}

function isFlagOrNone(value: unknown): boolean {
  return value === undefined || typeof value === "boolean";
}

function isOrigin(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const [id, incarnation, tick, missed]: unknown[] = value;
  return (
    typeof id === "string" && typeof incarnation === "string" && typeof tick === "number" && typeof missed === "number"
  );
}

/** What still names a job whose detail cannot be read. */
export function saved(text: string): Body {
  const member = (name: string) => {
    const found = new RegExp(`"${name}":("(?:[^"\\\\]|\\\\.)*")`).exec(text)?.[1];
    try {
      return found === undefined ? "" : String(JSON.parse(found));
    } catch {
      return "";
    }
  };
  return { i: member("i"), t: member("t"), q: member("q"), k: member("k"), y: member("y") || undefined };
}
