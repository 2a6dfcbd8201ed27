// Tenants' records as texts and back.
import { isGuardrails, type TenantGuardrails } from "../../core/guardrails.ts";
import type { RateLimit } from "../../core/queue.ts";
import { has, isNumber, maybe } from "../../core/shape.ts";
import { parsedJson } from "../../core/stored-limits.ts";
import type { TenantId } from "../../core/tenant.ts";
import { plainWeight, type Tenant } from "../../core/tenant-record.ts";

const isRate = has({ count: isNumber, periodMs: isNumber });
const looksLikeTenant = has({ weight: isNumber, concurrency: maybe(isNumber), rate: maybe(isRate) });

const nothingAtAll: RateLimit = { count: 0, periodMs: 1 };

/** The record of a tenant's text; undefined where there is none. */
export function readTenant(id: TenantId, text: string | null): Tenant | undefined {
  if (text === null) return undefined;
  const value = parsedJson(text.slice(text.indexOf("|") + 1));
  // A limit that cannot be read must neither be ignored nor stop other tenants: this one stands still until it is set anew.
  if (!looksLikeTenant(value)) return { id, weight: plainWeight, rate: nothingAtAll };
  const { weight, concurrency, rate, guardrails } = value as Tenant;
  return {
    id,
    weight,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate }),
    // Unreadable ones leave the scheduler's, which are there to hold for everyone.
    ...(isGuardrails(guardrails) ? { guardrails: guardrails as TenantGuardrails } : {}),
  };
}
