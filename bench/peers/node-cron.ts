// node-cron: cron rules inside one process that keep nothing.
import type { Subject } from "../runner/subject.ts";

// The packages are installed under bench/peers alone, so the project must type-check without them: names in variables.
const packages = { cron: "node-cron" };

interface NodeCron {
  schedule(expression: string, run: () => void, options: object): { stop(): unknown };
}

export const subject: Subject = {
  name: "node-cron",
  durable: false,
  abilities: ["schedules", "many-schedules"],
  configs: ["default"],
  package: "node-cron",
  open: async () => {
    const { schedule } = (await import(packages.cron)) as NodeCron;
    let onJob: (sequence: number) => void = () => {};
    const rules: { stop(): unknown }[] = [];
    return {
      work: async (handler) => {
        onJob = handler;
      },
      schedule: async (plans) => {
        for (const { sequence, cron } of plans) rules.push(schedule(cron, () => onJob(sequence), { timezone: "UTC" }));
      },
      close: async () => {
        for (const rule of rules) rule.stop();
      },
    };
  },
};
