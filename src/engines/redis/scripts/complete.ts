// jobs.complete: completions of jobs that have neither key nor schedule.
import { script } from "../script.ts";
import { basis, finished, lanes, limits, signals, waiting } from "./prelude.ts";

/**
 * ARGV: now, how many completed jobs a queue keeps, then per completion: the job's number or "", id, token, attempt, how
 * long it is kept ("" without end, "-" not at all, else ms), the settlement. Answers per completion 1, or 0 for one that
 * needs a look: its lease is another's, or its end leads to more.
 */
export const completeScript = script(
  "jobs.complete",
  "Ends each job whose lease is still the caller's (J3), keeps the newest of each queue (J10), and tells who waits for a place.",
  basis,
  signals,
  lanes,
  limits,
  waiting,
  finished,
  `
local max = tonumber(ARGV[2])
local nowText = text(now)
local n = (#ARGV - 2) / 6
local seqs, unknown = {}, {}
for i = 1, n do
  seqs[i] = ARGV[3 + 6 * (i - 1)]
  if seqs[i] == '' then unknown[#unknown + 1] = i end
end
for _, i in ipairs(unknown) do seqs[i] = call('HGET', P .. 'ids', ARGV[4 + 6 * (i - 1)]) or '' end
local overlays = getMany(P .. 'live', seqs)
local answer, ends, kept, keptOf = {}, {}, {}, {}, {}
local goneIds, goneSeqs, freed = {}, {}, {}
-- What an overlay says behind its lease: the lane, if the end of the job leads to nothing more; most say the same.
local plainLanes = {}
local function plainLane(rest)
  local of = plainLanes[rest]
  if of == nil then
    local lane = string.match(rest, '^(%d+)|%-|p$')
    of = false
    if lane then
      local queue, tenant = nameOfLane(lane)
      -- Where a foreign hand has removed a lane's names, the job's own text has them: it goes the other way.
      if queue and tenant then
        of = { lane = lane, queue = queue, tenant = tenant, ended = {} }
        freed[#freed + 1] = of
      end
    end
    plainLanes[rest] = of
  end
  return of
end
-- Of one settled twice in a call the first counts.
local firstOf = {}
for i = 1, n do firstOf[seqs[i]] = firstOf[seqs[i]] or i end
for i = n, 1, -1 do
  local from = 3 + 6 * (i - 1)
  answer[i] = 0
  local seq, overlay = seqs[i], overlays[i]
  local of = false
  if overlay and firstOf[seq] == i then
    local lease = ARGV[from + 3] .. '|' .. ARGV[from + 2] .. '|'
    if string.sub(overlay, 1, #lease) == lease then
      of = plainLane(string.match(overlay, '^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|([^|]*|[^|]*|[^|]*)|') or '')
    end
  end
  if of then
    answer[i] = 1
    local queue, tenant, lane = of.queue, of.tenant, of.lane
    local keep = ARGV[from + 4]
    local keptCount = keptOf[queue] or 0
    if keep ~= '-' and keep ~= '0' and keptCount < max then
      keptOf[queue] = keptCount + 1
      kept[#kept + 1] = { i, seq, queue, tenant, lane }
    else
      goneSeqs[#goneSeqs + 1] = seq
      goneIds[#goneIds + 1] = ARGV[from + 1]
    end
    ends[#ends + 1] = seq
    of.ended[#of.ended + 1] = seq
    unindex('u', queue, tenant, seq)
  end
end
for _, of in ipairs(freed) do
  local ended = #of.ended
  callMany('ZREM', P .. 'a:' .. of.queue, of.ended)
  count(of.lane, 'active', -ended)
  count(of.lane, 'tcompleted', ended)
  countTenant(of.tenant, 'active', -ended)
  countTenant(of.tenant, 'unfinished', -ended)
end
if #kept > 0 then
  local keptSeqs = {}
  for k, one in ipairs(kept) do keptSeqs[k] = one[2] end
  local bases = getMany(P .. 'jobs', keptSeqs)
  local stored, finishedList, byQueue, expiring = {}, {}, {}, {}
  for k, one in ipairs(kept) do
    local i, seq, queue, tenant, lane = unpack(one)
    local from = 3 + 6 * (i - 1)
    local base = bases[k] or ''
    local head = string.find(base, '\\n', 1, true)
    local body = head and string.find(base, '\\n', head + 1, true)
    if body then
      local rest = string.match(string.sub(base, 1, head - 1), '^%d+,%a(,.*)$')
      stored[#stored + 1] = seq
      stored[#stored + 1] = '1,c' .. rest .. string.sub(base, head, body - 1) .. '\\t' .. overlays[i] .. '\\t' .. nowText .. '\\t' .. ARGV[from + 5] .. string.sub(base, body)
      local member = seq .. ':' .. ARGV[from + 1] .. ':' .. lane
      finishedList[#finishedList + 1] = nowText
      finishedList[#finishedList + 1] = seq
      local list = byQueue[queue]
      if list == nil then list = {}; byQueue[queue] = list end
      list[#list + 1] = nowText
      list[#list + 1] = member
      if ARGV[from + 4] ~= '' then
        expiring[#expiring + 1] = text(now + tonumber(ARGV[from + 4]))
        expiring[#expiring + 1] = member .. ':c'
      end
      index('c', queue, tenant, seq)
      count(lane, 'completed', 1)
    else
      goneSeqs[#goneSeqs + 1] = seq
      goneIds[#goneIds + 1] = ARGV[from + 1]
    end
  end
  callMany('HSET', P .. 'jobs', stored, 2)
  callMany('ZADD', P .. 'finished', finishedList, 2)
  callMany('ZADD', P .. 'expiring', expiring, 2)
  for queue, list in pairs(byQueue) do
    callMany('ZADD', P .. 'f:' .. queue .. ':c', list, 2)
    trim(queue, 'c', max)
  end
end
callMany('HDEL', P .. 'live', ends)
callMany('HDEL', P .. 'jobs', goneSeqs)
callMany('HDEL', P .. 'ids', goneIds)
if #ends > 0 then
  for _, of in ipairs(freed) do
    placeFreed(of.queue)
    tenantFreed(of.tenant)
  end
  countAll()
  send()
end
return answer`,
);
