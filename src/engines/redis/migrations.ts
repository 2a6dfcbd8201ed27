// The store's format: numbered, append-only steps, each applied once however many processes open it together. A step that
// older versions cannot live with is breaking: it raises the epoch, and they then refuse the store (O3).
import type { MigrationStep, SchemaState } from "../../core/schema.ts";
import { type Client, textsOf } from "./client.ts";
import { tooNew } from "./faults.ts";
import { script } from "./script.ts";
import { driftOf } from "./shape.ts";

/** A step as the code has it. */
interface Step {
  readonly id: number;
  readonly name: string;
  /** Versions that do not know this step must not touch the store. */
  readonly breaking: boolean;
  /** What it does to a store that is there already, in Lua; `P` is the prefix, `call` calls a command. */
  readonly lua: string;
}

/** Every step there is, in order. */
const steps: readonly Step[] = [
  { id: 1, name: "initial", breaking: true, lua: "-- An empty store: its keys come with what is written." },
];

/** The newest breaking step that this version knows. */
const epochKnown = Math.max(...steps.filter(({ breaking }) => breaking).map(({ id }) => id));

/** O3, for scripts that claim or fire, after `basis`: with a newer epoch they do nothing and are refused. */
export const epochHolds = `
local epoch = call('HGET', P .. 'meta', 'epoch')
if epoch and (tonumber(epoch) or math.huge) > ${epochKnown} then
  return redis.error_reply('PUNCTUAL EPOCH ' .. epoch)
end`;

const migrateScript = script(
  "store.migrate",
  "Applies the steps that are missing, each once; answers their numbers. A store that is too new is left alone.",
  `
local P = KEYS[1]
local call = redis.call
local now = ARGV[1]
if now == '' then
  local t = call('TIME')
  now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
end`,
  epochHolds,
  "local applied = {}",
  ...steps.map(
    ({ id, name, breaking, lua }) => `
if call('HSETNX', P .. 'meta', 'step:${id}', now .. '|${breaking ? 1 : 0}|${name}') == 1 then
  ${lua}
  if ${id} > tonumber(call('HGET', P .. 'meta', 'format') or 0) then call('HSET', P .. 'meta', 'format', ${id}) end
  ${breaking ? `if ${id} > tonumber(call('HGET', P .. 'meta', 'epoch') or 0) then call('HSET', P .. 'meta', 'epoch', ${id}) end` : ""}
  applied[#applied + 1] = ${id}
end`,
  ),
  "return applied",
);

/** A step as the store remembers it. */
export interface AppliedStep {
  readonly id: number;
  readonly name: string;
  readonly breaking: boolean;
  readonly appliedAt: number;
}

/**
 * The steps that are applied, in order; none where there is no store.
 * @throws StoreTooNewError when a breaking one is unknown
 */
export async function readLedger(client: Client): Promise<AppliedStep[]> {
  const [answer] = await client.read([["hgetall", "meta"]]);
  const fields = textsOf(answer);
  const ledger: AppliedStep[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const id = /^step:(\d+)$/.exec(fields[index] ?? "")?.[1];
    const [, appliedAt, breaking, name = ""] = /^(\d+)\|([01])\|(.*)$/.exec(fields[index + 1] ?? "") ?? [];
    if (id === undefined || appliedAt === undefined) continue;
    ledger.push({ id: Number(id), name, breaking: breaking === "1", appliedAt: Number(appliedAt) });
  }
  if (ledger.some(({ id, breaking }) => breaking && id > epochKnown)) throw tooNew();
  return ledger.sort((one, other) => one.id - other.id);
}

/** The steps of this version that are not applied. */
export function missingFrom(ledger: readonly AppliedStep[]): MigrationStep[] {
  return steps.filter(({ id }) => !ledger.some((applied) => applied.id === id)).map(stepOf);
}

/** Applies what is missing; answers what was applied just now. @throws StoreTooNewError */
export async function applyMissing(client: Client, testNow: number | ""): Promise<MigrationStep[]> {
  const applied = await client.run(migrateScript, [testNow]);
  if (!Array.isArray(applied) || applied.length === 0) return [];
  const ledger = await readLedger(client);
  return steps.filter(({ id }) => applied.includes(id)).map((step) => withInstant(stepOf(step), ledger));
}

/** Where a store's format stands. */
export async function formatState(client: Client): Promise<SchemaState> {
  const ledger = await readLedger(client);
  return {
    steps: steps.map((step) => withInstant(stepOf(step), ledger)),
    unknown: ledger
      .filter(({ id }) => !steps.some((step) => step.id === id))
      .map(({ id, name, breaking }) => ({ id, name, breaking })),
    drift: ledger.length === 0 ? [] : await driftOf(client),
  };
}

function stepOf({ id, name, breaking, lua }: Step): MigrationStep {
  return { id, name, breaking, sql: lua };
}

function withInstant(step: MigrationStep, ledger: readonly AppliedStep[]): MigrationStep {
  const appliedAt = ledger.find(({ id }) => id === step.id)?.appliedAt;
  return appliedAt === undefined ? step : { ...step, appliedAt };
}
