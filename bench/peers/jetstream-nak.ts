// Raw JetStream without scheduled delivery, as servers before 2.12 had to do: a job of later is an ordinary message that the worker
// sends back until it is due. As it comes a consumer has 1,000 unacknowledged messages at most; at its best any number.
import { dataOf, handle, type JsMsg, openJetstream, subjects } from "../runner/jetstream.ts";
import type { Item, OnJob, Session, Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

/** A message comes back after this at the latest, in ms. */
const longestMs = 30_000;

async function handleOrReturn(message: JsMsg, onJob: OnJob): Promise<void> {
  const leftMs = (message.json<Item>().dueAt ?? 0) - Date.now();
  if (leftMs > 0) message.nak(Math.min(leftMs, longestMs));
  else await handle(message, onJob);
}

export const subject: Subject = {
  name: "jetstream-nak",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "processes"],
  configs: ["default", "best"],
  only: ["W7a", "W7b", "W7c", "deferred-100k"],
  server: "nats",
  open: async ({ url, config }): Promise<Session> => {
    const store = await openJetstream(urlOf(url), config === "best" ? { max_ack_pending: -1 } : {});
    const publish = (item: Item) => store.client.publish(subjects.ready, dataOf(item));
    return {
      enqueue: publish,
      enqueueMany: (items) => Promise.all(items.map(publish)),
      work: (onJob) => store.work((message) => handleOrReturn(message, onJob)),
      tally: async () => ({ unfinished: await store.countMessages() }),
      close: () => store.close(),
    };
  },
};
