// Idempotency keys that were used.
import type { Millis } from "../core/clock.ts";
import type { JobId } from "../core/id.ts";

/** An idempotencyKey that was used. */
export interface UsedKey {
  readonly body: string;
  readonly id: JobId;
  readonly dueAt: Millis;
  readonly expiresAt: Millis;
}
