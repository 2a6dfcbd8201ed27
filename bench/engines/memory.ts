// Our memory engine: producer and worker are one process, as nothing is shared.
import { memory } from "punctual/memory";
import { openOurs } from "../runner/ours.ts";
import type { Subject } from "../runner/subject.ts";

export const subject: Subject = {
  name: "memory",
  durable: false,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules"],
  configs: ["default"],
  targets: { idle: { goals: [{ of: "rssMb", atMost: 90 }] } },
  open: async () => openOurs(memory()),
};
