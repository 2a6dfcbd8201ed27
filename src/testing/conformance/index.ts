// "punctual/testing/conformance": the suite that judges engines, for whoever writes one. It knows no test runner.

export type { Chapter, Fact, Harness, OpenTx } from "./harness.ts";
export { TestClock } from "./harness.ts";
export { type ConformanceRunner, runConformance } from "./run.ts";
export { chapters, factCount } from "./suite.ts";
