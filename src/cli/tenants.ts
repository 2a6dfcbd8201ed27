// `punctual tenants`: list, limits.
import type { Command } from "commander";
import { formatDuration, hasCode, InvalidInputError, type TenantLimits, type TenantView } from "../index.ts";
import { listing } from "./jobs.ts";
import {
  durationWithUnit,
  type GlobalOptions,
  optionalWholeNumber,
  type PageOptions,
  present,
  rate,
} from "./options.ts";
import { print } from "./output.ts";
import { actor, renamed, withScheduler } from "./session.ts";
import { type Column, fields } from "./table.ts";
import { optionalInstant } from "./time.ts";

interface ListOptions extends GlobalOptions, PageOptions {
  readonly idPrefix?: string;
}

interface LimitOptions extends GlobalOptions {
  readonly weight?: string;
  readonly concurrency?: string;
  readonly rate?: string;
  readonly maxActiveSchedules?: string;
  readonly minInterval?: string;
  readonly maxPendingJobs?: string;
  readonly maxHorizon?: string;
  readonly payloadBytesMax?: string;
}

export function addTenants(program: Command): void {
  const tenants = program.command("tenants").description("look at tenants, limit them").helpCommand(false);
  tenants
    .command("list")
    .description("list tenants with limits, schedules or jobs, by id")
    .option("--id-prefix <PREFIX>", "whose id begins so")
    .option("--limit <COUNT>", "1 to 1000; 50 by default")
    .option("--cursor <CURSOR>", "the page after the one that gave this cursor")
    .action((_: unknown, command: Command) => list(command.optsWithGlobals<ListOptions>()));
  tenants
    .command("limits")
    .description("show a tenant's limits, or set those that are given")
    .argument("<ID>", "the tenant's id")
    .option("--weight <WEIGHT>", "its share of a queue, 1 to 1000; default is 1")
    .option("--concurrency <COUNT>", "its jobs active at once; none lifts it")
    .option("--rate <RATE>", "so many starts in so long: 10/1m; none lifts it")
    .option("--max-active-schedules <COUNT>", "schedules that tick; unlimited, or default as for all tenants")
    .option("--min-interval <DURATION>", "smallest gap between ticks; unlimited, or default")
    .option("--max-pending-jobs <COUNT>", "unfinished jobs; unlimited, or default")
    .option("--max-horizon <DURATION>", "how far ahead a job may be due; unlimited, or default")
    .option("--payload-bytes-max <BYTES>", "largest input; unlimited, or default")
    .action((id: string, _: unknown, command: Command) => limits(id, command.optsWithGlobals<LimitOptions>()));
}

async function list(options: ListOptions): Promise<void> {
  refuseTenant(options);
  const { idPrefix, cursor } = options;
  const query = present({ idPrefix, cursor, limit: optionalWholeNumber(options.limit, "--limit") });
  const page = await withScheduler(options, ({ tenants }) => tenants.list(query));
  print(options, page, (width) => listing(page, tenantColumns, "no tenants", width));
}

async function limits(id: string, options: LimitOptions): Promise<void> {
  refuseTenant(options);
  const tenant = await told(async () => {
    const wish = limitsOf(options);
    const changes = Object.keys(wish).length > 0;
    return await withScheduler(options, ({ tenants }) =>
      changes ? tenants.limit(id, wish, { actor }) : tenants.get(id),
    );
  });
  print(options, tenant, () => `${describe(tenant)}`);
}

/** What was given; a limit that is taken away is null. `none` and `unlimited` say the same. */
function limitsOf(options: LimitOptions): TenantLimits {
  const guardrails = present({
    maxActiveSchedules: guardrail(options.maxActiveSchedules, (text) =>
      optionalWholeNumber(text, "--max-active-schedules"),
    ),
    minInterval: guardrail(options.minInterval, (text) => durationWithUnit(text, "--min-interval")),
    maxPendingJobs: guardrail(options.maxPendingJobs, (text) => optionalWholeNumber(text, "--max-pending-jobs")),
    maxHorizon: guardrail(options.maxHorizon, (text) => durationWithUnit(text, "--max-horizon")),
    payloadBytesMax: guardrail(options.payloadBytesMax, (text) => optionalWholeNumber(text, "--payload-bytes-max")),
  });
  return present({
    weight: unless(["default"], options.weight, (text) => optionalWholeNumber(text, "--weight")),
    concurrency: unless(lifting, options.concurrency, (text) => optionalWholeNumber(text, "--concurrency")),
    rate: unless(lifting, options.rate, (text) => rate(text, "--rate")),
    guardrails: Object.keys(guardrails).length === 0 ? undefined : guardrails,
  }) as TenantLimits;
}

/** What takes a concurrency or a rate away: no tenant has one by default. */
const lifting = ["none", "unlimited", "default"];

function unless<T>(
  words: readonly string[],
  text: string | undefined,
  read: (text: string) => T,
): T | null | undefined {
  if (text === undefined) return undefined;
  return words.includes(text) ? null : read(text);
}

function guardrail<T>(text: string | undefined, read: (text: string) => T): T | "unlimited" | null | undefined {
  return text === "unlimited" || text === "none" ? "unlimited" : unless(["default"], text, read);
}

const typedNames = {
  weight: "--weight",
  concurrency: "--concurrency",
  rate: "--rate",
  "guardrails.maxActiveSchedules": "--max-active-schedules",
  "guardrails.minInterval": "--min-interval",
  "guardrails.maxPendingJobs": "--max-pending-jobs",
  "guardrails.maxHorizon": "--max-horizon",
  "guardrails.payloadBytesMax": "--payload-bytes-max",
} as const;

/** What a refusal says with the options as they are typed, and the words that they take beside a value. */
async function told<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const named = Object.entries(typedNames).reduce<unknown>(
      (given, [name, option]) =>
        renamed(given, [`limits.${name}.count`, `limits.${name}.per`, `limits.${name}`], option),
      error,
    );
    throw withWords(named);
  }
}

function withWords(error: unknown): unknown {
  if (!hasCode(error, "INVALID_INPUT")) return error;
  const { message, field, mend } = error;
  const [name] = Object.entries(typedNames).find(([, option]) => option === field) ?? [];
  if (field === undefined || name === undefined) return error;
  const words = name.startsWith("guardrails.")
    ? `"${field} unlimited" lifts it, "${field} default" goes back to that of all tenants.`
    : name === "weight"
      ? `"${field} default" is 1.`
      : `"${field} none" lifts it.`;
  return new InvalidInputError(message, { field, mend: `${mend} ${words}`, cause: error });
}

/** @throws InvalidInputError: a tenant is named by its id here. */
function refuseTenant({ tenant }: GlobalOptions): void {
  if (tenant === undefined) return;
  throw new InvalidInputError("--tenant does not apply: punctual tenants limits ID names one", { field: "--tenant" });
}

const tenantColumns: readonly Column<TenantView>[] = [
  { title: "TENANT", cell: ({ id }) => id, whole: true },
  { title: "SCHEDULES", cell: ({ activeSchedules }) => activeSchedules },
  { title: "PENDING", cell: ({ pendingJobs }) => pendingJobs },
  { title: "ACTIVE", cell: ({ activeJobs }) => activeJobs },
  { title: "WEIGHT", cell: ({ weight }) => weight },
  { title: "AT ONCE", cell: ({ concurrency }) => concurrency, optional: true },
  { title: "RATE", cell: rateText, optional: true },
  { title: "LIMITS", cell: (tenant) => guardrailTexts(tenant).join(", "), optional: true },
];

function rateText({ rate: given }: TenantView): string | undefined {
  return given === undefined ? undefined : `${given.count} per ${formatDuration(given.periodMs)}`;
}

/** Its own limits, in the options' words. */
function guardrailTexts({ ownGuardrails: own }: TenantView): string[] {
  const count = (value: number | "unlimited") => String(value);
  const time = (value: number | "unlimited") => (value === "unlimited" ? value : formatDuration(value));
  return (
    [
      ["max-active-schedules", own.maxActiveSchedules, count],
      ["min-interval", own.minIntervalMs, time],
      ["max-pending-jobs", own.maxPendingJobs, count],
      ["max-horizon", own.maxHorizonMs, time],
      ["payload-bytes-max", own.payloadBytesMax, count],
    ] as const
  ).flatMap(([name, value, text]) => (value === undefined ? [] : [`${name} ${text(value)}`]));
}

function describe(tenant: TenantView): string {
  const own = guardrailTexts(tenant);
  return fields([
    ["tenant", tenant.id],
    ["schedules", tenant.activeSchedules],
    ["pending jobs", tenant.pendingJobs],
    ["active jobs", tenant.activeJobs],
    ["weight", tenant.weight],
    ["at once", tenant.concurrency ?? "none of its own"],
    ["rate", rateText(tenant) ?? "none of its own"],
    ["regains at", optionalInstant(tenant.regainAt)],
    ["limits", own.length === 0 ? "none of its own" : own.join(", ")],
  ]);
}
