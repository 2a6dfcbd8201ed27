// The task of two-serves.ts: says which tick it was run for, and when. The lines go to a file of the process's own in
// the folder PROOF_JOURNAL, written twice a second so that writing them makes no tick late.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { handle, task } from "punctual";
import { lineOf, preciseNow } from "./journal.ts";

const file = join(process.env["PROOF_JOURNAL"] ?? ".", `journal-${process.pid}`);
const lines: string[] = [];

function flush(): void {
  if (lines.length > 0) appendFileSync(file, lines.splice(0).join(""));
}
setInterval(flush, 500).unref();
process.once("exit", flush);

export const noteTick = task("note-tick");

export const handlers = [
  handle(noteTick, (_input, ctx) => {
    const at = preciseNow();
    if (ctx.schedule === undefined || ctx.tick === undefined) throw new Error("only schedules make these jobs");
    const { id: job } = ctx.job;
    const schedule = ctx.schedule.id;
    lines.push(lineOf({ kind: "started", job, attempt: ctx.attempt, schedule, tick: ctx.tick.at.getTime() }, at));
  }),
];
