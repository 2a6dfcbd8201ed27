// "punctual/bullmq": both ends of a BullMQ queue. BullMQ executes; schedules, timers, tenants and history stay Punctual's, on
// whichever engine.
import type { BullmqQueue, BullmqQueueOptions } from "./contract.ts";
import { Ends } from "./ends.ts";
import { resolveOptions } from "./options.ts";

export type { BullmqQueue, BullmqQueueOptions, BullmqWorker, DeliverOptions, WorkOptions } from "./contract.ts";

/**
 * Both ends of the BullMQ queue of that name; connects when it is first used.
 * @throws InvalidInputError naming the option at fault
 */
export function bullmqQueue(name: string, options: BullmqQueueOptions): BullmqQueue {
  return new Ends(resolveOptions(name, options));
}
