// `punctual migrate`: applies, prints or checks the steps of a store's schema.
import type { Command } from "commander";
import {
  InvalidInputError,
  type MigrationStep,
  type SchemaState,
  StoreCorruptError,
  StoreOutdatedError,
} from "../index.ts";
import { loadConfig } from "./load.ts";
import type { GlobalOptions } from "./options.ts";
import { print } from "./output.ts";
import { chooseEngine } from "./session.ts";

interface Options extends GlobalOptions {
  readonly print?: boolean;
  readonly check?: boolean;
  readonly all?: boolean;
}

export function addMigrate(program: Command): void {
  program
    .command("migrate")
    .description("apply what a store's schema lacks")
    .option("--print", "print the steps instead, and apply nothing")
    .option("--all", "with --print: the applied steps, too")
    .option("--check", "apply nothing; fail when a step is missing or the schema is not what its steps have made")
    .action((_: unknown, command: Command) => migrate(command.optsWithGlobals<Options>()));
}

async function migrate(options: Options): Promise<void> {
  refuseOptions(options);
  const loaded = options.engine === undefined ? await loadConfig(process.cwd()) : undefined;
  const { engine, shown } = await chooseEngine(options, loaded);
  const state = await engine.migrations.state();
  if (options.print === true) printSteps(options, state);
  else if (options.check === true) check(options, state, shown);
  else {
    const applied = await engine.migrations.apply();
    print(options, { applied: applied.map(summary) }, () =>
      applied.length === 0 ? nothingMissing(state) : applied.map((step) => `applied ${named(step)}`).join("\n"),
    );
  }
}

/** @throws InvalidInputError for what would be left out in silence */
function refuseOptions({ tenant, print, check, all }: Options): void {
  if (tenant !== undefined) {
    throw new InvalidInputError("--tenant does not apply: a schema is of the whole store", { field: "--tenant" });
  }
  if (print === true && check === true) {
    throw new InvalidInputError("--print and --check exclude each other: give one", { field: "--print" });
  }
  if (all === true && print !== true) throw new InvalidInputError("--all needs --print", { field: "--all" });
}

/** What comes first: whoever runs it by hand and is cut off has changed nothing. */
const asOne = "-- One transaction: all of it or nothing. Stop at the first error (psql: -v ON_ERROR_STOP=1).\nBEGIN;\n";

function printSteps(options: Options, { steps }: SchemaState): void {
  const shown = steps.filter(({ appliedAt }) => options.all === true || appliedAt === undefined);
  const said = shown.map(({ sql, ...step }) => ({ ...summary(step), sql: sql.trim() }));
  print(options, { steps: said }, () =>
    shown.length === 0
      ? "-- nothing is missing"
      : `${asOne}\n${shown.map((step) => `-- step ${named(step)}${applied(step)}\n${step.sql.trim()}`).join("\n\n")}\nCOMMIT;`,
  );
}

/** @throws StoreOutdatedError, StoreCorruptError */
function check(options: Options, state: SchemaState, shown: string): void {
  const { steps, unknown, drift, unchecked } = state;
  const missing = steps.filter(({ appliedAt }) => appliedAt === undefined);
  if (drift.length > 0) {
    throw new StoreCorruptError(`the schema of ${shown} has drifted: ${drift.map(({ what }) => what).join("; ")}`, {
      mend: "Undo the change by hand (`punctual migrate --print --all` shows what there should be), or restore a backup.",
      details: { drift },
    });
  }
  if (missing.length > 0) {
    throw new StoreOutdatedError(`${shown} lacks ${missing.map(named).join(", ")}`, {
      details: { steps: missing.map(({ id }) => id) },
    });
  }
  const said = { missing: [], drift: [], steps: steps.map(summary), unknown };
  print(options, unchecked === undefined ? said : { ...said, unchecked }, () => {
    const newer = unknown.map((step) => `step ${named(step)} was applied by a newer version`);
    return [nothingMissing(state), ...newer, ...(unchecked === undefined ? [] : [unchecked])].join("\n");
  });
}

function nothingMissing({ steps }: SchemaState): string {
  return steps.length === 0 ? "nothing to migrate: this store has no schema" : "nothing is missing";
}

function named({ id, name, breaking }: Pick<MigrationStep, "id" | "name" | "breaking">): string {
  return `${id} (${name}), ${breaking ? "breaking: older versions refuse the store" : "compatible: older versions go on"}`;
}

function applied({ appliedAt }: MigrationStep): string {
  return appliedAt === undefined ? "" : `, applied ${new Date(appliedAt).toISOString()}`;
}

function summary({ id, name, breaking, appliedAt }: Omit<MigrationStep, "sql">) {
  return { id, name, breaking, ...(appliedAt === undefined ? {} : { appliedAt: new Date(appliedAt) }) };
}
