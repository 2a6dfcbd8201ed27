// What stands between a job and its run, as a store sees it at one moment.
import type { Millis } from "./clock.ts";
import type { JobId } from "./id.ts";
import type { Job } from "./job.ts";
import type { Queue } from "./queue.ts";
import type { Tenant } from "./tenant-record.ts";

/** A tenant whose claims are limited, over all queues. */
export interface TenantStanding extends Pick<Tenant, "concurrency" | "rate"> {
  /** Its jobs that are active. */
  readonly active: number;
  /** When its rate gives again; absent while it gives. */
  readonly regainAt?: Millis | undefined;
}

export interface JobStanding {
  /** The store's now. */
  readonly now: Millis;
  readonly job: Job;
  /** The queue's record; absent: unpaused and unlimited. */
  readonly queue?: Queue | undefined;
  /** Everything is paused. */
  readonly allPaused: boolean;
  /** Jobs of the queue that are active, of all tenants. */
  readonly active: number;
  /** Due jobs of the same tenant and queue that come before it; counted up to the asked `aheadMax`. 0 for one that is not due. */
  readonly ahead: number;
  /** Other tenants with due jobs in the queue, which take turns with this one. */
  readonly otherTenants: number;
  /** When the queue's rate limit gives again; absent while it gives. */
  readonly regainAt?: Millis | undefined;
  /** What its tenant's own limits leave; absent when its claims are not limited. */
  readonly tenantLimits?: TenantStanding | undefined;
  /** The unfinished job that holds the key; absent when that is the job itself, or it has no key. */
  readonly holder?: JobId | undefined;
  /** The job that waits for this one's key. */
  readonly successor?: JobId | undefined;
}
