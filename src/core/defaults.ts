// Every default value on one page, with its unit and its reason. Nothing else in the project states a default.
const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export const defaults = {
  /** Tenant of everything that names none. */
  tenant: "default",
  /** Queue of tasks that name none. */
  queue: "default",
  /** Priority: 1 is served first, 10 last; 5 leaves room on both sides. */
  priority: 5,

  /** Attempts of a job in all: the first and two more. */
  attempts: 3,
  /** First delay of the exponential curve, in ms: 1 s, 2 s, 4 s, ... */
  retryDelayMs: secondMs,
  /** No retry waits longer than this, in ms. */
  retryDelayMsMax: hourMs,
  /** Started attempts beyond `attempts` that may end in a crash before the job is failed unrun: a worker may die for reasons of its own. */
  crashesAllowed: 5,

  /** A job that has crashed its worker so often runs alone in its process: whoever runs beside it would die with it. */
  quarantineCrashes: 2,

  /** Jobs a worker process runs at once. */
  concurrency: 5,
  /** A lease, in ms: long enough to outlast garbage collection and a slow store, short enough for crash-to-rerun under 35 s. */
  leaseMs: 30 * secondMs,
  /** Leases are extended at this share of their length, so that two extensions may fail. */
  extendShare: 1 / 3,
  /** An attempt whose lease could not be extended aborts this share of the lease before it ends. */
  leaseMarginShare: 1 / 10,
  /** Work prefetched at the measured rate, in ms: hides a round trip, costs little when the worker dies. */
  prefetchMs: 50,
  /** A prefetched job that has waited this long, in ms, is given back: the slots hang, and other workers may be idle. */
  prefetchHoldMs: 250,
  /** Most jobs prefetched beyond the free slots: to claim and settle so many takes an embedded engine some 4 ms. */
  prefetchMax: 400,
  /** Calls that travel carry so many times as much. */
  travelFactor: 2,
  /** Handlers slower than this, in ms, prefetch nothing: a job would wait behind them. */
  prefetchSlowMs: 25,
  /** Due work that a claim did not get (locked, limited, taken by another) is looked at again after this, in ms. */
  limitedBackoffMs: 50,
  /** Input bytes one claim may return. */
  claimBytesMax: 8 * 1024 * 1024,

  /** Longest sleep of any loop, in ms: what nobody signalled is still found in time. */
  pollHorizonMs: secondMs,
  /** ... where the engine signals everything and its clock is a test's, in ms of that clock; and the janitor's pause. */
  patientPollMs: dayMs,
  patientJanitorMs: hourMs,
  /** A worker's stop waits so long for what runs, in ms. */
  drainMs: 30 * secondMs,
  /** First and longest pause of a loop whose store fails, in ms. */
  backoffMs: secondMs,
  backoffMsMax: 30 * secondMs,
  /** An unknown task's job is released for this long, doubling, in ms: a deploy may be rolling. */
  unknownTaskDelayMs: 5 * secondMs,
  unknownTaskDelayMsMax: 5 * minuteMs,
  /** A tail of the audit log looks no more often than this, in ms, however busy the store. */
  tailPauseMs: 20,
  /** The store's clock is read again after this long, in ms. */
  clockReadMs: minuteMs,
  /** ... and at once when wall and monotonic time part by more than this, in ms. */
  clockJumpMs: 500,
  /** Most calls one batch carries to the store, enough for all that is prefetched: an embedded engine stalls the event loop meanwhile. */
  batchMax: 512,
  /** Most schedules one `fire` looks at. */
  fireLimit: 500,
  /** A ticker that was not the last to fire waits between these, in ms: the last firer goes first, a hint and no lock. */
  tickerYieldMsMin: 20,
  tickerYieldMsMax: 100,
  /** A schedule source is loaded and compared this often, in ms: what its feed lost fires as it was for so long at most. */
  sourceReconcileMs: minuteMs,
  /** Records of a source saved in one step: an embedded engine stalls the event loop meanwhile. */
  sourceBatch: 100,
  /** A source that was asked to be loaded anew is, after this, in ms: changes that come together cost one load. */
  sourcePauseMs: secondMs,
  /** A source's call that gives no answer for so long, in ms, has failed. */
  sourceAnswerMsMax: 5 * minuteMs,
  /** The janitor's pause between rounds, in ms, and the rows it deletes in one statement. */
  janitorMs: minuteMs,
  purgeLimit: 1_000,

  /** Largest input, in bytes of UTF-8 JSON. */
  payloadBytesMax: 512 * 1024,
  /** Largest metadata of a job or schedule, in bytes of UTF-8 JSON. */
  metadataBytesMax: 16 * 1024,
  /** Stack traces are cut here, in characters; as much as anyone reads. */
  stackCharsMax: 8 * 1024,
  /** Error messages are cut here, in characters. */
  messageCharsMax: 4 * 1024,
  /** Attempt records and log lines kept per job; older ones are dropped first. */
  attemptRecordsMax: 50,
  logLinesMax: 200,
  /** A log line is cut here, in characters. */
  logLineCharsMax: 2 * 1024,
  /** An idempotencyKey is remembered this long, in ms, whatever retention does. */
  idempotencyMs: dayMs,

  /** The postgres engine's time limits, in ms, and its connections. */
  postgres: {
    /** Of a statement, by the server. */
    statementTimeoutMs: 10 * secondMs,
    /** Of a statement until it is answered, by us: a server that hangs must not hang a process. */
    answerTimeoutMs: 12 * secondMs,
    /** Of waiting for a row that another transaction holds. */
    lockTimeoutMs: secondMs,
    /** The same for several calls in one transaction, and then for each of them by itself. */
    batchPatienceMs: 200,
    alonePatienceMs: 100,
    /** Of a transaction of ours whose process has stopped between two statements: its locks go. */
    idleInTransactionMs: 10 * secondMs,
    connectTimeoutMs: 5 * secondMs,
    /** After so many calls of a process, what they have counted is folded into the counters of lanes. */
    foldEvery: 500,
    /** After so long a claim looks again for jobs that another transaction holds. */
    heldRetryMs: 200,
    /** Connections of one engine at most, one for LISTEN apart. */
    poolMax: 6,
    /** Between two notices of one queue to other processes: a NOTIFY takes a lock on the whole database. */
    notifyEveryMs: 10,
    /** How often a listening connection is tried, and how long an answer may take. */
    listenProbeMs: 10 * secondMs,
    listenAnswerMs: 2 * secondMs,
    /** Behind a pooler that passes no notifications on, listening is tried again so seldom. */
    listenRetryMs: 5 * minuteMs,
  },

  /** The redis engine's time limits, in ms. */
  redis: {
    connectTimeoutMs: 5 * secondMs,
    /** Of a call until it is answered: a server that hangs must not hang a process. */
    answerTimeoutMs: 10 * secondMs,
    /** Between two attempts to connect: the first pause, which doubles, and the longest. */
    reconnectMs: 50,
    reconnectMsMax: secondMs,
    /** How often the connection that hears other processes is tried, and how long an answer may take. */
    listenProbeMs: 10 * secondMs,
    listenAnswerMs: 2 * secondMs,
    /** Where a proxy passes no messages on, listening is tried again so seldom. */
    listenRetryMs: 5 * minuteMs,
  },

  /** The nats engine: names of its own, and times in ms. */
  nats: {
    stream: "SCHEDULER",
    prefix: "scheduler",
    /** Of one server, until it has let us in. */
    connectTimeoutMs: 5 * secondMs,
    /** Of a request until it is answered: a server that hangs must not hang a process. */
    answerTimeoutMs: 5 * secondMs,
    /** Between two attempts to connect: the pause, and up to so much more, so that processes do not come in step. */
    reconnectMs: 100,
    reconnectMsJitter: 150,
    /** How often the connection is tried; one that leaves two tries unanswered is made anew. */
    pingMs: 5 * secondMs,
    /** A cluster that elects a leader is waited for so long at opening, for each of its parts. */
    startupMs: 30 * secondMs,
    /** Between two looks at it. */
    startupPollMs: 100,
    /** Of a call with all its attempts: a cluster whose leader was killed elects another within 4 to 9 seconds. */
    callBudgetMs: 15 * secondMs,
    /** The audit log's age: it lies in the memory of every process. */
    eventAgeMsMax: dayMs,
    /** Longer than a server keeps writes from its disk by default (2 min). */
    purgeAfterMs: 180_000,
  },

  /** A schedule source's feed of changes over a Redis channel; times in ms. */
  redisChanges: {
    /** How often its connection is tried, and how long an answer may take. */
    probeMs: 10 * secondMs,
    answerMs: 2 * secondMs,
    /** A server that is away is tried this often, and reported once in so long. */
    retryMs: secondMs,
    patienceMs: 30 * secondMs,
    /** Messages that wait to be applied, and their characters: beyond these a load is cheaper than the changes one by one. */
    pendingMax: 10_000,
    pendingCharsMax: 32 * 1024 * 1024,
    /** Messages that cannot be read are reported no more often; each report costs a load. */
    troubleMs: 10 * secondMs,
  },

  /** Finished jobs kept per queue, and the age at which completed ones go, in ms. */
  completedCountMax: 100,
  completedAgeMsMax: dayMs,
  endedCountMax: 1_000,
  /** The audit log is kept this long, in ms. */
  eventAgeMsMax: 30 * dayMs,
  /** A schedule's input or metadata longer than this, in characters, is told in the audit log by size and fingerprint. */
  eventTextCharsMax: 4 * 1024,
  /** Once a process has written so many events it deletes as many old ones, twice over: the log stays bounded without a janitor. */
  eventTrimEvery: 500,

  overlap: "skip",
  catchUp: "latest",
  /** Ticks noticed later than this, in ms, count as late: two poll horizons and a store's hiccup are still on time. */
  tickLateMs: 5 * secondMs,
  /** With catch-up `latest`, a late tick fires when it is no older than this, in ms. */
  catchUpWindowMs: hourMs,
  /** With catch-up `all`, so many late ticks fire at most. */
  catchUpLimit: 1_000,
  /** Ticks one step of `fire` may turn into jobs; the cursor moves with each step. */
  ticksPerStepMax: 200,
  /** Ticks that one backfill may take; a longer range is backfilled in parts. */
  backfillTicksMax: 10_000,
  /** Counting of skipped ticks stops here. */
  skippedCountMax: 10_000,
  /** `every` is no shorter than this, in ms. */
  everyMsMin: secondMs,
  /** A tick placed by newer time zone rules is left to the processes that have them for so long, in ms: inside the catch-up window. */
  zoneRulesWaitMs: 10 * minuteMs,
  /** While such ticks are due, a ticker looks again after so long, in ms. */
  zoneRulesPollMs: 250,
  /** Due schedules a ticker may leave alone and still look at all the others. */
  leftAloneMax: 5_000,
  /** While a store knows several versions of the time zone data, the janitor looks at all schedules this often, in ms. */
  zoneCheckMs: dayMs,
  /** It looks at so many at a time, with a pause between, in ms: a million in four minutes, at a few percent of a core. */
  zoneCheckLimit: 500,
  zoneCheckPauseMs: 100,
  /** A look that has not gone on for so long, in ms, has died with its process. */
  zoneLookMs: 10 * minuteMs,
  /** How often a process reads which versions there are, in ms: it costs one read. */
  zoneReadMs: hourMs,
  /** A version that no process has renewed for so long, in ms, is there no more. */
  zoneMarkMs: 7 * dayMs,
  /** So long, in ms, a version counts as new to the store: processes without a janitor may still have others. */
  zoneSettlesMs: 3 * dayMs,
  /** Days and instants that one `except` may name: its rule is stored with every schedule, and read in every fire. */
  excludedMax: 5_000,
  /** Rules within rules, and rules in all, that one rule may be made of. */
  ruleDepthMax: 8,
  rulePartsMax: 100,

  /** A page of a listing, and the largest one. */
  pageLimit: 50,
  pageLimitMax: 1_000,
} as const;
