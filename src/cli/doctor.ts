// `punctual doctor`: what is wrong with a store, and what to do about it.
import type { Command } from "commander";
import { examine, type Finding, InvalidInputError, isPunctualError } from "../index.ts";
import { UnwellExit } from "./exit.ts";
import { loadConfig } from "./load.ts";
import type { GlobalOptions } from "./options.ts";
import { print } from "./output.ts";
import { chooseEngine } from "./session.ts";
import { plain } from "./table.ts";

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("look at a store's health: settings, clock, stuck work, late ticks, retention; fail on a problem")
    .action((_: unknown, command: Command) => doctor(command.optsWithGlobals<GlobalOptions>()));
}

/** @throws UnwellExit when there is a problem, which has been told */
async function doctor(options: GlobalOptions): Promise<void> {
  if (options.tenant !== undefined) {
    throw new InvalidInputError("--tenant does not apply: a doctor looks at the whole store", { field: "--tenant" });
  }
  const loaded = options.engine === undefined ? await loadConfig(process.cwd()) : undefined;
  const { engine, shown, source } = await chooseEngine(options, loaded, true);
  const findings: Finding[] = [];
  try {
    await engine.open();
    findings.push(...(await examine(engine)));
  } catch (error) {
    // A store that cannot be opened is what a doctor is called for.
    if (!isPunctualError(error) || error.code === "ENGINE_NOT_CONFIGURED") throw error;
    findings.push({ check: "opening", status: "problem", what: error.message, mend: error.mend });
  } finally {
    await engine.close();
  }
  const problems = findings.filter(({ status }) => status === "problem").length;
  const warnings = findings.filter(({ status }) => status === "warn").length;
  print(options, { engine: shown, source, problems, warnings, findings }, () => {
    const lines = findings.map(({ check, status, what, mend }) => {
      const line = `${marks[status]}  ${plain(`${check}: ${what}`)}`;
      return status === "ok" || mend === undefined ? line : `${line}\n         ${plain(mend)}`;
    });
    return [...lines, summary(shown, problems, warnings)].join("\n");
  });
  if (problems > 0) throw new UnwellExit();
}

const marks = { ok: "ok     ", warn: "warn   ", problem: "PROBLEM" } as const;

function summary(shown: string, problems: number, warnings: number): string {
  if (problems + warnings === 0) return `${shown} is well`;
  const count = (number: number, one: string) => `${number} ${one}${number === 1 ? "" : "s"}`;
  return `${shown}: ${count(problems, "problem")}, ${count(warnings, "warning")}`;
}
