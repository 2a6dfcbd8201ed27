// N2: guardrails as users write them: what is refused, by which name, and what to write instead.
import { describe, expect, test } from "vitest";
import { resolveGuardrails, resolveTenantGuardrails } from "../../src/core/guardrails.ts";
import { memory } from "../../src/engines/memory/index.ts";
import {
  createScheduler,
  DEFAULT_TENANT_GUARDRAILS,
  type GuardrailOptions,
  standardGuardrails,
  type TenantGuardrailOptions,
} from "../../src/index.ts";

const refused = (given: object) => {
  const seen = [resolveGuardrails, resolveTenantGuardrails].map((resolve) => {
    try {
      resolve(given as GuardrailOptions & TenantGuardrailOptions);
    } catch (error) {
      const { code, field, message, mend } = error as { code: string; field: string; message: string; mend: string };
      return { code, field, message, mend };
    }
    throw new Error("it was not refused");
  });
  expect(seen[1]).toEqual(seen[0]);
  return seen[0];
};

describe("guardrails", () => {
  test("N2 a minInterval under 1 s, which is a number that lacks its unit, is refused", () => {
    expect(refused({ minInterval: 5 })).toMatchObject({
      code: "INVALID_INPUT",
      field: "guardrails.minInterval",
      message: "guardrails.minInterval must be 1s or more, got 5 ms",
      mend: expect.stringContaining('"5m"'),
    });
    for (const minInterval of [0, 999, "999ms", "0s", -1]) expect(refused({ minInterval })?.code).toBe("INVALID_INPUT");
    expect(resolveGuardrails({ minInterval: "1s" })).toEqual({ minIntervalMs: 1_000 });
    expect(resolveTenantGuardrails({ minInterval: "unlimited" })).toEqual({ minIntervalMs: "unlimited" });
  });

  test("N2 the preset with other names is refused with the one to pass", () => {
    expect(refused(DEFAULT_TENANT_GUARDRAILS)).toMatchObject({
      code: "INVALID_INPUT",
      field: "guardrails.MAX_ACTIVE_SCHEDULES_PER_CUSTOMER",
      mend: expect.stringContaining("standardGuardrails"),
    });
    const given = DEFAULT_TENANT_GUARDRAILS as unknown as GuardrailOptions;
    expect(() => createScheduler({ engine: memory(), guardrails: given })).toThrow(/is not an option/);
    expect(resolveGuardrails(standardGuardrails)).toEqual({ maxActiveSchedules: 20, minIntervalMs: 300_000 });
  });
});
