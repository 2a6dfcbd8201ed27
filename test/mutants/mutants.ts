// Deliberate faults. Each breaks one promise in one place; a test that guards the promise must turn red.

export interface Mutant {
  readonly name: string;
  /** The promise that the fault breaks, by its id or in a sentence. */
  readonly promise: string;
  /** The file to change, relative to the project's root. */
  readonly file: string;
  /** Exact text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Test folders or files to run, relative to the project's root. */
  readonly tests: readonly string[];
  /** Part of the full name of the tests that must notice; without it any test of `tests` may. */
  readonly expect?: string;
}

const memoryEngine = ["test/engines/memory.test.ts"];
const sqliteEngine = ["test/engines/sqlite-memory.test.ts"];

export const mutants: readonly Mutant[] = [
  {
    name: "settle without the fence",
    promise: "J3",
    file: "src/core/lease.ts",
    find: 'return job !== undefined && job.state === "active" && job.attempt === lease.attempt && job.token === lease.token;',
    replace: 'return job !== undefined && job.state === "active";',
    tests: memoryEngine,
  },
  {
    name: "fence that forgets the token",
    promise: "J3",
    file: "src/core/lease.ts",
    find: 'return job !== undefined && job.state === "active" && job.attempt === lease.attempt && job.token === lease.token;',
    replace: 'return job !== undefined && job.state === "active" && job.attempt === lease.attempt;',
    tests: memoryEngine,
  },
  {
    name: "sqlite settles without the fence",
    promise: "J3",
    file: "src/engines/sqlite/settle.ts",
    find: 'if (!holds(lease, job)) return { outcome: "lost" };',
    replace: "",
    tests: sqliteEngine,
  },
  {
    name: "claim that does not count the attempt",
    promise: "J2",
    file: "src/core/settling.ts",
    find: "attempt: job.attempt + 1,",
    replace: "attempt: job.attempt,",
    tests: memoryEngine,
  },
  {
    name: "cursor moved apart from the insert",
    promise: "S2",
    file: "src/engines/memory/schedules.ts",
    find: "  for (const job of step.insert) insertJob(world, job, undefined, now);\n",
    replace: "  for (const job of step.insert.slice(1)) insertJob(world, job, undefined, now);\n",
    tests: memoryEngine,
  },
  {
    name: "fire that does not compare the cursor",
    promise: "S2",
    file: "src/engines/memory/schedules.ts",
    find: "    stored.cursor.after !== from.cursor.after\n",
    replace: "    false\n",
    tests: memoryEngine,
  },
  {
    name: "sqlite fires a step that has been overtaken",
    promise: "S2",
    file: "src/engines/sqlite/schedules.ts",
    find: "  if (!isUnmoved(tx, step.from)) return false;\n",
    replace: "",
    tests: sqliteEngine,
  },
  {
    name: "tick ids that differ each time",
    promise: "S2",
    file: "src/core/id.ts",
    find: "const [high, low] = hash128(`tick\\n${tenant}\\n${incarnation}\\n${tick}`);",
    replace: "const [high, low] = hash128(`tick\\n${tenant}\\n${incarnation}\\n${Math.random()}`);",
    tests: ["test/engines/memory.test.ts", "test/core"],
  },
  {
    name: "key without its second slot",
    promise: "T2",
    file: "src/engines/memory/insert.ts",
    find: 'if (taken.state === "pending") return replace(taken);',
    replace: "return replace(taken);",
    tests: memoryEngine,
  },
  {
    name: "a waiting job beside its successor",
    promise: "T3",
    file: "src/core/settling.ts",
    find: "    if (hasSuccessor) return supersede(base, settlement.keep, now);\n",
    replace: "",
    tests: memoryEngine,
  },
  {
    name: "retry that forgets failures",
    promise: "J6",
    file: "src/core/settling.ts",
    find: "const base = { ...unleased, attempts, log, progress, failures };",
    replace: "const base = { ...unleased, attempts, log, progress };",
    tests: memoryEngine,
  },
  {
    name: "release that counts as a failure",
    promise: "J9",
    file: "src/core/settling.ts",
    find: 'return { ...base, outcome: "release", record: record("released"), keep: policy.keepFailed };',
    replace: 'return { ...base, outcome: "release", record: record("failed"), keep: policy.keepFailed };',
    tests: ["test/runtime"],
  },
  {
    name: "what is given back goes to the end of the line",
    promise: "J9",
    file: "src/core/settling.ts",
    find: "settlement.due === undefined ? Math.min(job.dueAt, now) : dueInstant(settlement.due, now)",
    replace: "dueInstant(settlement.due ?? { afterMs: 0 }, now)",
    tests: memoryEngine,
  },
  {
    name: "crashes that are not counted",
    promise: "J4",
    file: "src/core/settling.ts",
    find: "crashes: job.crashes + (recovered && job.started === true ? 1 : 0),",
    replace: "crashes: job.crashes,",
    tests: memoryEngine,
  },
  {
    name: "priority in the wrong direction",
    promise: "J5",
    file: "src/core/job.ts",
    find: "return a.priority - b.priority || a.dueAt - b.dueAt;",
    replace: "return b.priority - a.priority || a.dueAt - b.dueAt;",
    tests: memoryEngine,
  },
  {
    name: "a rate window that forgets too soon",
    promise: "J12",
    file: "src/core/queue.ts",
    find: "const live = window.filter(([startAt]) => startAt + sliceMs + rate.periodMs > now);",
    replace: "const live = window.filter(([startAt]) => startAt + rate.periodMs / 2 > now);",
    tests: memoryEngine,
  },
  {
    name: "time spent disabled is caught up",
    promise: "S4",
    file: "src/core/schedule.ts",
    find: "if (keepsRule && existing.enabled) return",
    replace: "if (keepsRule) return",
    tests: memoryEngine,
  },
  {
    name: "an ensure that moves the cursor",
    promise: "S6",
    file: "src/core/schedule.ts",
    find: 'if (same && enabled === existing.enabled) return { outcome: "unchanged", schedule: existing };',
    replace: "",
    tests: memoryEngine,
  },
  {
    name: "overlap that looks at nothing",
    promise: "S5",
    file: "src/core/overlap.ts",
    find: 'if (policy === "allow") return "fire";',
    replace: 'return "fire";',
    tests: memoryEngine,
  },
  {
    name: "a held tick that is never released",
    promise: "S5",
    file: "src/core/firing.ts",
    find: "if (held === undefined || unfinishedLeft > 0) return { schedule: counted, insert: [], events: [] };",
    replace: "return { schedule: counted, insert: [], events: [] };",
    tests: memoryEngine,
  },
  {
    name: "jitter drawn anew for each tick",
    promise: "S3",
    file: "src/core/firing.ts",
    find: "return jitterOffsetMs(seedOf(schedule.tenant, schedule.id), jitterMs, gapMs);",
    replace: "return jitterOffsetMs(seedOf(schedule.tenant, `${schedule.id}${tick}`), jitterMs, gapMs);",
    tests: memoryEngine,
  },
  {
    name: "a schedule that cannot be evaluated stops its neighbours",
    promise: "S8",
    file: "src/core/firing.ts",
    find: "    return disableBroken(due, error, now);\n",
    replace: "    throw error;\n",
    tests: memoryEngine,
  },
  {
    name: "an insert that keeps what came before the refusal",
    promise: "T5",
    file: "src/engines/memory/world.ts",
    find: "for (const back of undo.reverse()) back();",
    replace: "undo.reverse();",
    tests: memoryEngine,
  },
  {
    name: "an outage that is asked about without a pause",
    promise: "O1",
    file: "src/runtime/loop.ts",
    find: "sleepMs = backoffMs(this.#failures++, this.#options.random());",
    replace: "this.#failures++;\n      sleepMs = 10;",
    tests: ["test/runtime"],
  },
  {
    name: "a lease that is never extended",
    promise: "J4",
    file: "src/runtime/leases.ts",
    find: "if (clock.monotonic() - this.#extendedAt >= leaseMs * defaults.extendShare) {",
    replace: "if (this.#stopped) {",
    tests: ["test/runtime"],
  },
  {
    name: "a timeout that waits for the handler",
    promise: "J8",
    file: "src/runtime/attempt.ts",
    find: "return { ended: Promise.race([handled, stopped]), returned };",
    replace: "return { ended: handled.then((end) => this.#stopped ?? end), returned };",
    tests: ["test/runtime"],
  },
  {
    name: "a batch in which one bad item fails all",
    promise: "One bad item never fails its neighbours",
    file: "src/runtime/batcher.ts",
    find: "if (batch.length === 1 || !isRefusal(error)) {",
    replace: "if (batch.length > 0) {",
    tests: ["test/runtime"],
  },
];
