// The public API of "punctual". Names no engine: those have subpaths of their own.

export { type CalendarOptions, calendar, type Holiday } from "./core/calendar.ts";
export type { Clock, Millis } from "./core/clock.ts";
export { defaults } from "./core/defaults.ts";
export { type Duration, formatDuration, parseDuration } from "./core/duration.ts";
export type { Engine } from "./core/engine.ts";
export {
  AlreadyExistsError,
  AttemptAbortedError,
  AttemptCancelledError,
  AttemptTimeoutError,
  CopyRefusedError,
  EngineNotConfiguredError,
  type ErrorCode,
  errorCatalogue,
  hasCode,
  IdempotencyMismatchError,
  InputRefusedError,
  InvalidCronError,
  InvalidInputError,
  InvalidTimeZoneError,
  isPunctualError,
  KeyInUseError,
  LeaseLostError,
  LimitExceededError,
  NatsServerTooOldError,
  NoHandlerError,
  NotFoundError,
  NotWrittenError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  PermanentError,
  PunctualError,
  RetryAt,
  RevisionConflictError,
  StateConflictError,
  StoppedError,
  StoreCorruptError,
  StoreOutdatedError,
  StoreTooNewError,
  StoreUnsafeError,
  TransactionsUnsupportedError,
} from "./core/errors.ts";
export type { Audit, EventType } from "./core/events.ts";
export type { Finding, FindingStatus } from "./core/findings.ts";
export {
  type GuardrailOptions,
  type Guardrails,
  standardGuardrails,
  type TenantGuardrailOptions,
  type TenantGuardrails,
} from "./core/guardrails.ts";
export type { HistoryOptions, RetentionOptions } from "./core/history.ts";
export type { AttemptOutcome, EndCause, ErrorRecord, FinishedState, OnConflict, ShownState } from "./core/job.ts";
export {
  DEFAULT_TENANT_GUARDRAILS,
  ensureMinimumInterval,
  type TenantGuardrailsConfig,
} from "./core/minimum-interval.ts";
export { type NextTicksOptions, nextTicks } from "./core/next-ticks.ts";
export type { Page, PageRequest } from "./core/page.ts";
export {
  type Backoff,
  type BackoffFunction,
  type ResolvedBackoff,
  type RetryContext,
  type RetryOptions,
  type RetryPolicy,
  resolveRetry,
  retryDelayMs,
} from "./core/retry.ts";
export { cron, every, everyCalendar, except, once, type Rule, union } from "./core/rule.ts";
export type { CatchUpPolicy, OverlapPolicy } from "./core/schedule.ts";
export type { MigrationStep, SchemaDrift, SchemaState } from "./core/schema.ts";
export { type InputOf, type Task, type TaskOptions, task } from "./core/task.ts";
export type { BackfillOptions, BackfillResult, BackfillShare } from "./runtime/backfill.ts";
export type { TenantScheduler, TransactionScheduler } from "./runtime/bound-schedulers.ts";
export { type CopyOptions, type CopyProgress, type CopyResult, copyStore } from "./runtime/copy.ts";
export { examine } from "./runtime/doctor.ts";
export type { EnqueueOptions, Priority } from "./runtime/enqueue-options.ts";
export type { EventData, EventView } from "./runtime/event-view.ts";
export type { JobEvent, ScheduleEvent, SchedulerEvents } from "./runtime/events.ts";
export type { EventQuery, EventSelection, EventTail, EventTypeQuery } from "./runtime/events-client.ts";
export type { ExplainRequest, Explanation, JobExplained, ScheduleExplained } from "./runtime/explainer.ts";
export {
  type Context,
  type HandleOptions,
  type Handler,
  type HandlerFunction,
  handle,
  type Slots,
  type WorkerHost,
} from "./runtime/handler.ts";
export type { JobPurge, JobQuery } from "./runtime/job-query.ts";
export type { Enqueued, EnqueueItem, TimerName } from "./runtime/jobs-client.ts";
export type { Counts, QueueLimits, QueueView, Stats } from "./runtime/queues-client.ts";
export type { Triggered } from "./runtime/schedule-operations.ts";
export type { ScheduleOptions } from "./runtime/schedule-options.ts";
export type { PreviewTick } from "./runtime/schedule-preview.ts";
export {
  type ScheduleSource,
  type ScheduleSourceOptions,
  type SourceChange,
  type SourceContext,
  scheduleSource,
} from "./runtime/schedule-source.ts";
export { createScheduler, type Scheduler } from "./runtime/scheduler.ts";
export type { Role, SchedulerOptions, WorkerSettings } from "./runtime/scheduler-options.ts";
export type { PutResult, ScheduleItem, ScheduleQuery } from "./runtime/schedules-client.ts";
export type { TenantLimits, TenantQuery, TenantView } from "./runtime/tenants-client.ts";
export type { TickFired, TickQuery, TickRecord, TicksSkipped } from "./runtime/tick-history.ts";
export type { AttemptView, JobView, ScheduleView } from "./runtime/views.ts";
