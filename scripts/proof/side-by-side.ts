// Two versions on one store: the old one serves, the new one comes and migrates under it, both go on under load. What was
// accepted and fired is compared with what was run.
import { setTimeout as sleep } from "node:timers/promises";
import type { Child, Ending } from "./child.ts";
import { type JournalLine, readJournal } from "./journal.ts";
import { newRoot, startVersion } from "./old-version.ts";

/** What the two have done. */
export interface SideBySide {
  /** Processes that did not end with 0. */
  readonly badEndings: readonly string[];
  readonly errors: readonly string[];
  readonly accepted: number;
  readonly ticks: number;
  /** Accepted and not run. */
  readonly missing: readonly string[];
  /** Jobs, and ticks, that were run more than once. */
  readonly twice: readonly string[];
  /** Jobs run by each after both were ready. */
  readonly byOld: number;
  readonly byNew: number;
}

/** Longest wait for anything, in ms. */
const limitMs = 60_000;

/** What must have happened before the next step: never a span of time. @throws when it cannot happen any more */
async function until(holds: () => boolean, whyNot: () => string | undefined): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!holds()) {
    const why = whyNot() ?? (Date.now() > deadline ? "it did not come to that within a minute" : undefined);
    if (why !== undefined) throw new Error(why);
    await sleep(20);
  }
}

function endedEarly(children: readonly Child[]): string | undefined {
  const ended = children.find(({ process: { exitCode, signalCode } }) => exitCode !== null || signalCode !== null);
  return ended === undefined ? undefined : `a process ended with ${ended.process.exitCode}`;
}

const linesOf = (journal: string, child: Child, kind: JournalLine["kind"]) =>
  readJournal(journal).filter((line) => line.pid === child.process.pid && line.kind === kind);

/** Runs both until each has run `jobs` jobs beside the other and `ticks` ticks have been fired meanwhile. */
export async function runSideBySide(
  oldRoot: string,
  file: string,
  journal: string,
  least: { readonly jobs: number; readonly ticks: number },
): Promise<SideBySide> {
  const old = startVersion(oldRoot, "serve", file, journal);
  const running = [old];
  const whyNot = () => endedEarly(running) ?? readJournal(journal).find(({ kind }) => kind === "error")?.text;
  await until(() => linesOf(journal, old, "done").length >= 20, whyNot);
  const young = startVersion(newRoot, "serve", file, journal);
  running.push(young);
  await until(() => linesOf(journal, young, "ready").length > 0, whyNot);
  const bothAt = linesOf(journal, young, "ready")[0]?.at ?? 0;
  const doneBeside = (child: Child) => linesOf(journal, child, "done").filter(({ at }) => at > bothAt);
  await until(() => {
    const ticks = [old, young].flatMap(doneBeside).filter(({ tick }) => tick !== undefined);
    return ticks.length >= least.ticks && [old, young].every((child) => doneBeside(child).length >= least.jobs);
  }, whyNot);
  const [byOld, byNew] = [old, young].map((child) => doneBeside(child).length);
  const endings: Ending[] = [];
  // The new one stays to the end, and runs what the old one leaves.
  for (const child of [old, young]) {
    if (child === young)
      await until(
        () => notRun(journal).length === 0,
        () => endedEarly([young]),
      );
    child.process.kill("SIGTERM");
    endings.push(await child.ended);
  }
  const lines = readJournal(journal);
  const done = lines.filter(({ kind }) => kind === "done");
  return {
    badEndings: endings.flatMap(({ code, signal }) => (code === 0 ? [] : [`${code ?? signal}`])),
    errors: lines.flatMap(({ kind, text }) => (kind === "error" ? [text ?? ""] : [])),
    accepted: lines.filter(({ kind }) => kind === "accepted").length,
    ticks: done.filter(({ tick }) => tick !== undefined).length,
    missing: notRun(journal),
    twice: [
      ...repeated(done.map(({ job = "" }) => job)),
      ...repeated(done.flatMap(({ schedule, tick }) => (tick === undefined ? [] : [`${schedule} ${tick}`]))),
    ],
    byOld: byOld ?? 0,
    byNew: byNew ?? 0,
  };
}

/** Jobs that were accepted and have not been run. Those of a process that stopped since it accepted them, too. */
function notRun(journal: string): string[] {
  const lines = readJournal(journal);
  const done = new Set(lines.flatMap(({ kind, job }) => (kind === "done" ? [job] : [])));
  const last = Math.max(...lines.map(({ at }) => at));
  // What was accepted just now is on its way.
  return lines.flatMap(({ kind, job = "", at }) =>
    kind === "accepted" && at < last - 1_000 && !done.has(job) ? [job] : [],
  );
}

function repeated(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.filter((name) => seen.size === seen.add(name).size);
}

/** Serves with both versions until each has refused to claim and to fire; answers what they said. */
export async function refuseTogether(
  oldRoot: string,
  file: string,
  journal: string,
  makeTooNew: () => void,
): Promise<readonly string[]> {
  const children = [oldRoot, newRoot].map((root) => startVersion(root, "serve", file, journal));
  const whyNot = () => endedEarly(children);
  await until(() => children.every((child) => linesOf(journal, child, "done").length > 0), whyNot);
  makeTooNew();
  const saidBy = (child: Child, where: string) =>
    linesOf(journal, child, "error").some(({ text = "" }) => text.startsWith(`${where}: STORE_TOO_NEW`));
  await until(() => children.every((child) => saidBy(child, "claim") && saidBy(child, "fire")), whyNot);
  const from = readJournal(journal).length;
  const accepted = (child: Child) => linesOf(journal, child, "accepted").length;
  const before = children.map(accepted);
  // Others may write on; only claims and ticks are refused.
  await until(() => children.every((child, index) => accepted(child) > (before[index] ?? 0)), whyNot);
  for (const child of children) child.process.kill("SIGTERM");
  await Promise.all(children.map(({ ended }) => ended));
  return readJournal(journal)
    .slice(from)
    .flatMap(({ kind, job = "" }) => (kind === "done" ? [job] : []));
}
