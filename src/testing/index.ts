// "punctual/testing": what users' own tests need.
export type { JobExpectation } from "./expectations.ts";
export type { JobMatch } from "./job-match.ts";
export type { KitClock } from "./kit-clock.ts";
export type { TestInstant } from "./local-time.ts";
export { testScheduler, testSchedulerOn } from "./start.ts";
export type { EngineOn, TestMode, TestSchedulerOptions } from "./test-options.ts";
export type { TestScheduler } from "./test-scheduler.ts";
export type { TickMatch } from "./tick-match.ts";
export { VirtualClock } from "./virtual-clock.ts";
