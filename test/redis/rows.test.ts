// Jobs as texts: whatever was written in pieces reads as the job that core makes of it.
import { describe, expect, it } from "vitest";
import { beginJob, type ClaimedJob, type Job, type NewJob } from "../../src/core/job.ts";
import type { Settlement } from "../../src/core/settling.ts";
import { damagedReason } from "../../src/core/stored-job.ts";
import { applyClaim, applySettlement, cancelJob } from "../../src/core/transitions.ts";
import { overlayText, parseOverlay } from "../../src/engines/redis/row-overlay.ts";
import {
  baseOf,
  baseText,
  claimedJob,
  detailText,
  newJobParts,
  parseBase,
  settlementText,
} from "../../src/engines/redis/rows.ts";

const now = 1_790_000_000_000;
const claim = { token: "0123456789abcdef", worker: 'w|1\t"\u{1f600}\n', leaseMs: 30_000, startsNow: true };
const fresh: NewJob = {
  id: "01a0c3f2-1111-8111-9111-111111111111",
  tenant: 'te"nant\n',
  queue: "mail,1",
  task: "send",
  input: '{\n\t"text": "by, the way\\n"\n}',
  priority: 3,
  due: { at: now - 5 },
  key: "k\t1",
  metadata: '{"a":1}',
  attemptsMax: 4,
  schedule: { id: "daily", incarnation: "abcd", tick: now - 10, missed: 2 },
};

const below = { lane: "1000000001", flags: "ks", state: "p" } as const;
const line = {
  rev: "7",
  state: "p",
  priority: 3,
  dueAt: now - 5,
  createdAt: now - 5,
  lane: "1000000001",
  attempt: 0,
} as const;
const asInserted = (job: NewJob) => baseOf({ ...line, flags: newJobParts(job)[3] }, newJobParts(job)[4], job.input);
const begun = beginJob(fresh, now - 5);

function overlayOf({ attempt, token, worker, leaseUntil, claimedAt, started = false }: ClaimedJob): string {
  return overlayText({ attempt, token, worker, leaseUntil, claimedAt, started }, below);
}

/** A job without members that say nothing. */
function plain(job: Job): Job {
  const { recovered: _recovered, ref: _ref, ...rest } = job as Partial<ClaimedJob> & Job;
  return JSON.parse(JSON.stringify(rest)) as Job;
}

describe("jobs as texts in Redis", () => {
  it("J1 a new job reads as it was inserted, its input to the last character", () => {
    for (const state of ["p", "h"] as const) {
      const base = asInserted(fresh).replace("7,p,", `7,${state},`);
      const { seq, place, job, rev, lane, damaged } = parseBase(41, base, null, now);
      expect({ seq, place, rev, lane, damaged }).toEqual({
        ...{ seq: 41, place: state === "h" ? "held" : "ready", rev: "7", lane: "1000000001", damaged: undefined },
      });
      expect(plain(job)).toEqual(plain({ ...begun, successor: state === "h" ? true : undefined }));
    }
    expect(parseBase(1, asInserted(fresh), null, now - 6).place).toBe("deferred");
    expect(newJobParts(fresh).slice(0, 4)).toEqual([fresh.id, 3, `a${now - 5}`, "ks"]);
    const { key: _key, schedule: _schedule, ...bare } = fresh;
    expect(newJobParts({ ...bare, due: { afterMs: 9 } }).slice(2, 4)).toEqual(["d9", "-"]);
  });

  it("J2 a claim reads from its overlay as core claims the job", () => {
    const taken = applyClaim(begun, claim, now, 41);
    expect({ ...claimedJob(41, asInserted(fresh), claim, now) }).toEqual(taken);
    const read = parseBase(41, asInserted(fresh), overlayOf(taken), now + 1);
    expect(plain(read.job)).toEqual(plain(taken));
    expect(read.job).not.toHaveProperty("recovered");
    expect(read.place).toBe("active");
    const extended = overlayOf({ ...taken, leaseUntil: now + 99_000, started: true });
    expect(parseBase(41, asInserted(fresh), extended, now).job.leaseUntil).toBe(now + 99_000);
  });

  it("J4 a job whose last attempt was lost is claimed as recovered", () => {
    const record = { attempt: 1, worker: "w", startedAt: now, outcome: "lost" } as const;
    const lost: Job = { ...begun, attempt: 1, attempts: [record], token: "ffff" };
    const base = baseText(lost, 8, "1000000001");
    expect(base.split("\n")[0]).toBe(`8,p,3,${now - 5},${now - 5},1000000001,1,ksl`);
    expect(claimedJob(1, base, claim, now)).toEqual(applyClaim(lost, claim, now, 1));
  });

  it("J3 an active job that was rewritten takes its lease from the overlay", () => {
    const taken = applyClaim({ ...begun, failures: 2 }, claim, now);
    const asked: Job = { ...taken, cancelRequested: true, progress: 0.5, log: [{ at: now, attempt: 1, text: "\t" }] };
    const overlay = overlayOf({ ...taken, leaseUntil: now + 77_000 });
    const read = parseBase(2, baseText(asked, 9, 1_000_000_001), overlay, now);
    expect(plain(read.job)).toEqual(plain({ ...asked, leaseUntil: now + 77_000 }));
    expect(plain(parseBase(2, baseText(asked, 9, 1), null, now).job)).toEqual(plain(asked));
  });

  it("J7 a plain completion reads as core settles the claim", () => {
    const taken = applyClaim(begun, claim, now);
    const { id, queue, attempt, token } = taken;
    const settlement: Settlement = {
      lease: { id, queue, attempt, token },
      outcome: "complete",
      output: '"\\t\\n done"',
      record: { attempt, worker: claim.worker, startedAt: now, endedAt: now + 3, outcome: "completed" },
      keep: { ageMs: 1_000 },
    };
    const rest = `\t${overlayOf(taken)}\t${now + 4}\t${settlementText(settlement)}`;
    const base = baseOf({ ...line, state: "c", flags: "ks" }, detailText(begun) + rest, fresh.input);
    const read = parseBase(3, base, null, now);
    expect(plain(read.job)).toEqual(plain(applySettlement(taken, settlement, now + 4, false)));
    expect({ place: read.place, damaged: read.damaged }).toEqual({ place: "completed", damaged: undefined });
  });

  it("J7 ended jobs read as they were written", () => {
    const taken = applyClaim({ ...begun, successor: undefined, replacedBy: fresh.id }, claim, now);
    for (const job of [
      cancelJob(begun, "cancelled", "not wanted", now),
      applySettlement(
        taken,
        { lease: taken as never, outcome: "fail", endCause: "permanent", reason: "no", keep: {} },
        now + 1,
        false,
      ),
      applySettlement(taken, { lease: taken as never, outcome: "retry", due: { afterMs: 9 }, keep: {} }, now, false),
    ]) {
      const read = parseBase(4, baseText(job, 1, 2), null, now);
      expect(plain(read.job)).toEqual(plain(job));
      expect(read.damaged).toBeUndefined();
    }
  });

  it("J7 a damaged text is said to be damaged, and what can be read still names the job", () => {
    const base = asInserted({ ...fresh, metadata: '{"b":2}' });
    const cut = base.replace(',"d":{', ',"d":{{');
    for (const text of [cut, base.replace('"d":{', '"d":{"failures":"x",')]) {
      const read = parseBase(5, text, null, now);
      expect(read.damaged).toBe(true);
      expect(read.job).toMatchObject({ id: fresh.id, tenant: fresh.tenant, queue: fresh.queue, reason: damagedReason });
      expect(claimedJob(5, text, claim, now)).toBeUndefined();
    }
    for (const text of [
      "",
      "x",
      "1,p,2\n{}\n",
      "1,p,a,b,c,d,e,-\n{}\n",
      base.replace("7,p,3", "7,p,x"),
      base.slice(0, 60),
    ]) {
      expect(parseBase(5, text, null, now).damaged).toBe(true);
      expect(claimedJob(5, text, claim, now)).toBeUndefined();
    }
    expect(parseBase(5, base, "1|abc", now).damaged).toBe(true);
    expect(parseBase(5, base, overlayOf({ ...applyClaim(begun, claim, now), attempt: 4 }), now).damaged).toBe(true);
    const done = baseOf(
      { ...line, state: "c", flags: "-" },
      `${detailText(begun)}\t1|t|9|1|8|1000000001|-|p|w\t12\tnope`,
      "",
    );
    expect(parseBase(5, done, null, now)).toMatchObject({ damaged: true, place: "completed", job: { finishedAt: 12 } });
  });

  it("J3 a worker's name comes back from an overlay, whatever is in it", () => {
    for (const worker of ["", "w", "a|b|c", "\\", '"', "\t\n\u0000", "\\u0041", "\u{1f600}\ud800"]) {
      const overlay = { attempt: 1, token: "t", leaseUntil: 5, started: false, claimedAt: 2, worker };
      expect(overlayText(overlay, below)).not.toMatch(/[\t\n]/);
      expect(parseOverlay(overlayText(overlay, below))).toEqual(overlay);
    }
  });
});
