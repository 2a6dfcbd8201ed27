// Scripts that count what waits: what has come due is ready before it is counted.
import { script } from "../script.ts";
import { basis, lanes, limits, signals, waiting } from "./prelude.ts";

/** Jobs that came due unobserved are counted up to so many of a queue (J14). */
const dueCountMax = 10_000;

/**
 * ARGV: now, numbers of lanes. @returns per lane that there is queue, tenant, ready, deferred, held, active, completed, failed,
 * cancelled, and the totals
 */
export const laneStatsScript = script(
  "jobs.stats",
  "The counts of lanes, of one moment, from counters; what has come due waits, whether or not a claim has seen it.",
  basis,
  lanes,
  `
local due, counted = {}, {}
local function countDue(queue)
  if counted[queue] then return end
  counted[queue] = true
  local members = call('ZRANGEBYSCORE', P .. 'd:' .. queue, '-inf', text(now), 'LIMIT', 0, ${dueCountMax})
  for _, member in ipairs(members) do
    local lane = string.match(member, ':(%d+)$')
    if lane then due[lane] = (due[lane] or 0) + 1 end
  end
end
local answer = {}
for at = 2, #ARGV do
  local lane = ARGV[at]
  local queue, tenant = nameOfLane(lane)
  if queue then
    countDue(queue)
    local counts = call('HMGET', P .. 'l:' .. lane, 'deferred', 'held', 'active', 'completed', 'failed', 'cancelled', 'tcompleted', 'tfailed', 'tcancelled')
    local came = due[lane] or 0
    counts[1] = (tonumber(counts[1]) or 0) - came
    answer[#answer + 1] = { queue, tenant, call('ZCARD', P .. 'r:' .. lane) + came, unpack(counts, 1, 9) }
  end
end
return answer`,
);

/**
 * ARGV: now, job id, the name of its key's slots or "", most jobs ahead. @returns nothing when the job is not stored; else the time, number, base, overlay, the queue's record, that of all
 * queues, the queue's window, active jobs of the queue, jobs ahead, other tenants with ready jobs, the tenant's record, its
 * active jobs, its window, the key's slots
 */
export const standingScript = script(
  "inspection.standing",
  "What stands between a job and its run, of one moment.",
  basis,
  signals,
  lanes,
  limits,
  waiting,
  `
local seq = call('HGET', P .. 'ids', ARGV[2])
local base = seq and call('HGET', P .. 'jobs', seq)
if not base then return {} end
local lane = string.match(base, '^[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,(%d+),') or ''
local queue, tenant = nameOfLane(lane)
if not queue then queue, tenant = '', '' end
-- What has come due is in the line, whether or not a claim has moved it there; this only looks.
local others = call('ZCARD', P .. 's:' .. queue)
if call('ZSCORE', P .. 's:' .. queue, lane) then others = others - 1 end
local ahead = call('ZRANK', P .. 'r:' .. lane, seq)
local state, priority, dueAt = string.match(base, '^%d+,(%a),([^,]*),([^,]*),')
local own = (tonumber(priority) or 0) * priorityStep + (tonumber(dueAt) or 0)
local waits = ahead or (state == 'p' and not call('HGET', P .. 'live', seq) and (tonumber(dueAt) or math.huge) <= now)
if waits and not ahead then
  ahead = call('ZCOUNT', P .. 'r:' .. lane, '-inf', '(' .. text(own))
  for _, other in ipairs(call('ZRANGEBYSCORE', P .. 'r:' .. lane, text(own), text(own), 'LIMIT', 0, ${dueCountMax})) do
    if other < seq then ahead = ahead + 1 end
  end
end
local seen = {}
local due = call('ZRANGEBYSCORE', P .. 'd:' .. queue, '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, ${dueCountMax})
for i = 1, #due, 2 do
  local other, of, otherLane = string.match(due[i], '^(%d+):([^:]+):(%d+)$')
  if otherLane == lane then
    local score = (tonumber(of) or 0) * priorityStep + tonumber(due[i + 1])
    if waits and (score < own or (score == own and other < seq)) then ahead = ahead + 1 end
  elseif otherLane and not seen[otherLane] then
    seen[otherLane] = true
    if not call('ZSCORE', P .. 's:' .. queue, otherLane) then others = others + 1 end
  end
end
ahead = math.min(ahead or 0, tonumber(ARGV[4]))
local has = call('HMGET', P .. 't:' .. tenant, 'active', 'window')
return {
  text(now), seq, base, call('HGET', P .. 'live', seq),
  call('HGET', P .. 'queues', queue), call('HGET', P .. 'queues', '*'), call('HGET', P .. 'windows', queue),
  call('ZCARD', P .. 'a:' .. queue), ahead, others,
  call('HGET', P .. 'tenants', tenant), has[1], has[2],
  ARGV[3] ~= '' and call('HGET', P .. 'slots', ARGV[3]),
}`,
);
