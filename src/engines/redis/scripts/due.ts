// schedules.due: what is to be fired.
import { epochHolds } from "../migrations.ts";
import { script } from "../script.ts";
import { basis } from "./prelude.ts";

/** Others who find schedules in hand look again after so many ms. */
const inHandLookMs = 25;

/** Whoever has schedules in hand and dies keeps them from others for so long, in ms. */
const inHandMsMax = 1_000;

/**
 * ARGV: now, schedules at most, and who asks, or "" for a look without their texts. Answers now, the earliest next tick or "",
 * then name and text of each that is due, which the asker has in hand until it says otherwise.
 */
export const dueScript = script(
  "schedules.due",
  "Reads the schedules whose next tick has come, the longest overdue first; the commit of their steps compares each.",
  basis,
  epochHolds,
  `
local first = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
local answer = { text(now), first[2] or '' }
if ARGV[3] == '' or not first[2] or tonumber(first[2]) > now then return answer end
-- Replicas look at the same instant: one of them fires, and the others need not do its work in vain.
if not call('SET', P .. 'firing', ARGV[3], 'NX', 'PX', ${inHandMsMax}) and call('GET', P .. 'firing') ~= ARGV[3] then
  answer[2] = text(now + ${inHandLookMs})
  return answer
end
local names = call('ZRANGEBYSCORE', P .. 'due', '-inf', text(now), 'LIMIT', 0, tonumber(ARGV[2]))
if #names == 0 then call('DEL', P .. 'firing') end
local texts = getMany(P .. 'schedules', names)
for i, name in ipairs(names) do
  if texts[i] then
    answer[#answer + 1] = name
    answer[#answer + 1] = texts[i]
  else
    call('ZREM', P .. 'due', name)
  end
end
return answer`,
);

/** ARGV: now, who has schedules in hand. */
export const releaseDueScript = script(
  "schedules.release",
  "Schedules that nothing came of are in nobody's hand any more.",
  basis,
  "if call('GET', P .. 'firing') == ARGV[2] then call('DEL', P .. 'firing') end",
);
