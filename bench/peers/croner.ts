// croner: cron rules inside one process that keep nothing.
import type { Subject } from "../runner/subject.ts";

// The packages are installed under bench/peers alone, so the project must type-check without them: names in variables.
const packages = { cron: "croner" };

interface Croner {
  readonly Cron: new (expression: string, options: object, run: () => void) => { stop(): void };
}

export const subject: Subject = {
  name: "croner",
  durable: false,
  abilities: ["schedules", "many-schedules"],
  configs: ["default"],
  package: "croner",
  open: async () => {
    const { Cron } = (await import(packages.cron)) as Croner;
    let onJob: (sequence: number) => void = () => {};
    const rules: { stop(): void }[] = [];
    return {
      work: async (handler) => {
        onJob = handler;
      },
      schedule: async (plans) => {
        for (const { sequence, cron } of plans) rules.push(new Cron(cron, { timezone: "UTC" }, () => onJob(sequence)));
      },
      close: async () => {
        for (const rule of rules) rule.stop();
      },
    };
  },
};
