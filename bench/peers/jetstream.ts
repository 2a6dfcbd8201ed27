// Raw JetStream on the official clients: no retries, no history, no uniqueness. As it comes each message is published by itself and
// the worker takes one after the other; at its best bulks go as atomic batches and the worker has 4,000 messages on the way.
import { dataOf, handle, openJetstream, subjects } from "../runner/jetstream.ts";
import { type Message, publishingEach, publishingInBatches } from "../runner/jetstream-publishing.ts";
import type { Item, Pace, Plan, Session, Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

/** Found by hand. */
const best = { ackPending: 20_000, messages: 4_000 };

/** A million rules would take it a minute. */
const pace: Pace = { rulesShare: 0.1 };

function jobOf({ sequence, dueAt }: Item): Message {
  const data = dataOf({ sequence });
  if (dueAt === undefined) return { subject: subjects.ready, data };
  return { subject: subjects.later(sequence), data, when: `@at ${new Date(dueAt).toISOString()}` };
}

function ruleOf({ sequence, cron }: Plan): Message {
  return { subject: subjects.rule(sequence), data: dataOf({ sequence }), when: cron };
}

export const subject: Subject = {
  name: "jetstream",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes"],
  configs: ["default", "best"],
  server: "nats",
  paces: { default: pace, best: pace },
  open: async ({ url, config }): Promise<Session> => {
    const isBest = config === "best";
    const store = await openJetstream(urlOf(url), isBest ? { max_ack_pending: best.ackPending } : {});
    const { publish, publishMany } = isBest ? publishingInBatches(store) : publishingEach(store);
    let ruled = false;
    return {
      enqueue: (item) => publish(jobOf(item)),
      enqueueMany: (items) => publishMany(items.map(jobOf)),
      work: (onJob) =>
        store.work((message) => handle(message, onJob), isBest ? { callback: true, messages: best.messages } : {}),
      schedule: async (plans) => {
        ruled = true;
        await publishMany(plans.map(ruleOf));
      },
      countSchedules: () => store.countRules(),
      // What is done is deleted; a rule is a message that stays.
      tally: async () => ({ unfinished: (await store.countMessages()) - (ruled ? await store.countRules() : 0) }),
      close: () => store.close(),
    };
  },
};
