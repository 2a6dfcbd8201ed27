// Scripts of queues' records: `queues` holds them as JSON, `queueNames` has every queue with a record or jobs.
import { script } from "../script.ts";
import { eventTrim } from "./events.ts";
import { basis, events, signals } from "./prelude.ts";

/** ARGV: now, names. @returns the time, and each queue's text */
export const getQueues = script(
  "queues.get",
  "The records of queues, with the time they are looked at.",
  basis,
  `
local names = {}
for at = 2, #ARGV do names[at - 1] = ARGV[at] end
return { now, getMany(P .. 'queues', names) }
`,
);

/**
 * ARGV: now, age of the log, how many queues; of each its name, its text as it was read ("" for none), its new text; then
 * the parts of events. @returns "moved" where a record is not as it was read
 */
export const putQueues = script(
  "queues.put",
  "All records are saved with their events if they are as they were read, or none is; workers look again.",
  basis,
  events,
  eventTrim,
  signals,
  `
local ends = 3 + 3 * tonumber(ARGV[3])
for at = 4, ends, 3 do
  if (call('HGET', P .. 'queues', ARGV[at]) or '') ~= ARGV[at + 1] then return 'moved' end
end
for at = 4, ends, 3 do
  local name = ARGV[at]
  call('HSET', P .. 'queues', name, ARGV[at + 2])
  call('ZADD', P .. 'queueNames', 0, name)
  if name == '*' then others[#others + 1] = '{"kind":"changed"}' else wake(name, now) end
end
for at = ends + 1, #ARGV, 5 do append(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], false) end
trimEvents((#ARGV - ends) / 5, tonumber(ARGV[2]))
send()
return 'put'
`,
);
