// Scripts that compare what is counted with what is stored.
import { script } from "../script.ts";
import { basis } from "./prelude.ts";

/**
 * ARGV: now, lanes at most, completed and other finished jobs of a queue beyond which it is told. @returns the time; and unless there
 * are more lanes what disagrees (queue, what, counted, stored of each), and names of overfull queues
 */
export const countersScript = script(
  "findings.counters",
  "Where the counters of lanes disagree with the jobs that are stored, and which queues keep too many finished ones.",
  basis,
  `
if call('HLEN', P .. 'lanes') > tonumber(ARGV[2]) then return { text(now) } end
local wrong, full, total = {}, {}, 0
local fields = { 'deferred', 'held', 'active', 'completed', 'failed', 'cancelled' }
local function compare(queue, what, counted, stored)
  if counted ~= stored and #wrong < 20 then wrong[#wrong + 1] = { queue, what, text(counted), text(stored) } end
end
for _, queue in ipairs(call('ZRANGE', P .. 'queueNames', 0, -1)) do
  local sums = { 0, 0, 0, 0, 0, 0 }
  for _, lane in ipairs(call('SMEMBERS', P .. 'lanesIn:' .. queue)) do
    for i, n in ipairs(call('HMGET', P .. 'l:' .. lane, unpack(fields))) do sums[i] = sums[i] + (tonumber(n) or 0) end
    total = total + call('ZCARD', P .. 'r:' .. lane)
  end
  for _, n in ipairs(sums) do total = total + n end
  local completed, ended = call('ZCARD', P .. 'f:' .. queue .. ':c'), call('ZCARD', P .. 'f:' .. queue .. ':e')
  compare(queue, 'delayed', sums[1], call('ZCARD', P .. 'd:' .. queue))
  compare(queue, 'active', sums[3], call('ZCARD', P .. 'a:' .. queue))
  compare(queue, 'completed', sums[4], completed)
  compare(queue, 'failed and cancelled', sums[5] + sums[6], ended)
  if completed > tonumber(ARGV[3]) or ended > tonumber(ARGV[4]) then full[#full + 1] = queue end
end
compare('', '', total, call('HLEN', P .. 'jobs'))
return { text(now), wrong, full }`,
);
