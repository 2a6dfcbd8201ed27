// What `punctual.config.ts` may say.
import type { Engine, GuardrailOptions, Handler, Role, ScheduleItem, ScheduleSource } from "../index.ts";

/** The contents of `punctual.config.ts` (or .mts, .js, .mjs): its default export, or its named exports. */
export interface PunctualConfig {
  /** A URL or an engine; `--engine` goes before it, the environment comes after it. */
  readonly engine?: string | Engine;
  /** A module whose exports are handlers, as a path from the config's folder; `--tasks` goes before it. */
  readonly tasks?: string;
  readonly handlers?: readonly Handler[];
  /** Ensured whenever `punctual serve` starts. */
  readonly schedules?: readonly ScheduleItem[];
  /** Schedules of tables of one's own; `punctual serve` runs them with the ticker role. */
  readonly sources?: readonly ScheduleSource[];
  /** Limits of every tenant, for `punctual serve`, `enqueue` and `schedules create` and `update`. */
  readonly guardrails?: GuardrailOptions;
  /** All three by default. */
  readonly roles?: readonly Role[];
  /** Jobs run at once; 5 by default. */
  readonly concurrency?: number;
  /** Only these queues; those of the handlers' tasks by default. */
  readonly queues?: readonly string[];
}

/** Types a config; changes nothing. Import it from "punctual/config". */
export function defineConfig(config: PunctualConfig): PunctualConfig {
  return config;
}
