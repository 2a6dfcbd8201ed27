// From the data file to schedules: each tenant's reports, in the tenant's own time zone.
import { readFileSync } from "node:fs";
import { type CatchUpPolicy, cron, type Duration, every, type OverlapPolicy, type ScheduleItem } from "punctual";
import { type Report, sendReport } from "./tasks.ts";

/** A tenant as tenants.json has it. */
export interface Tenant {
  readonly id: string;
  readonly timezone: string;
  readonly to: string;
  readonly reports: readonly TenantReport[];
}

/** A report of a tenant's: `cron` on the tenant's wall clock, or `every` so much elapsed time. */
interface TenantReport {
  readonly id: string;
  readonly cron?: string;
  readonly every?: Duration;
  readonly source?: Report["source"];
  readonly jitter?: Duration;
  readonly overlap?: OverlapPolicy;
  readonly catchUp?: CatchUpPolicy;
  readonly pauseOnFailure?: number;
}

export function loadTenants(): readonly Tenant[] {
  return JSON.parse(readFileSync(new URL("tenants.json", import.meta.url), "utf8")) as readonly Tenant[];
}

/** One schedule per report. An id need only be unique within its tenant. */
export function schedulesOf({ id: tenant, timezone, to, reports }: Tenant): ScheduleItem[] {
  return reports.map(({ id, cron: expression, every: interval, source = "warehouse", ...policies }) => ({
    id,
    tenant,
    task: sendReport,
    input: { report: id, to, source } satisfies Report,
    when: expression === undefined ? every(interval ?? "1d") : cron(expression, { timezone }),
    metadata: { timezone },
    ...policies,
  }));
}
