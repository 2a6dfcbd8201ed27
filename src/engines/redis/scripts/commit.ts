// steps.commit: what a step has decided, written if nothing that it looked at has moved.
import { epochHolds } from "../migrations.ts";
import { script } from "../script.ts";
import { eventTrim } from "./events.ts";
import { basis, events, finished, lanes, limits, signals, waiting } from "./prelude.ts";

const checks = `
local plan = cjson.decode(ARGV[2])
local function holds(check)
  local kind, key, name, expected = unpack(check)
  if kind == 'is' then return (call('HGET', P .. key, name) or '') == expected end
  if kind == 'begins' then
    local stored = call('HGET', P .. key, name)
    if expected == '' then return not stored or stored == '' end
    return stored and string.sub(stored, 1, #expected) == expected
  end
  if kind == 'exists' then return call('HEXISTS', P .. key, name) == expected end
  if kind == 'counts' then return call('ZCARD', P .. key) == name end
  if kind == 'leaves' then return call('ZCARD', P .. key) >= name end
  if kind == 'room' then
    local count = tonumber(call('HGET', P .. 't:' .. key, name)) or 0
    return count <= check[6] or count + expected <= check[5]
  end
  return false
end
for _, check in ipairs(plan.checks) do
  if not holds(check) then return { 0 } end
end
local spend = plan.spend
local spentRate, spentWindow
if spend then
  spentRate = (queueRecord(spend.queue) or {}).rate
  if type(spentRate) == 'table' then
    local allowed
    allowed, spentWindow = rateAllowance(spentRate, readWindow(call('HGET', P .. 'windows', spend.queue)))
    if allowed < 1 then return { 0 } end
  end
  local _, recoveries = tenantRoom(spend.tenant)
  if recoveries < 1 then return { 0 } end
end
-- A server whose memory is full refuses a script at its first write, unless that one frees some: what is there goes on.
if not plan.grows then call('HDEL', P .. 'live', '') end`;

/** `place` and `unplace` jobs, `save` them as a plan says; needs all of the prelude but `events`. */
export const placing = `
-- Beyond 1: new jobs have revision 0, and those that a plain completion has ended 1.
local rev = text(1 + call('HINCRBY', P .. 'meta', 'rev', 1))
local freed, trimmed = {}, {}
local unfinishedStates = { p = true, h = true, a = true }
-- Takes a job out of where it stands; whether it was unfinished.
local function unplace(job, seq, lane, was, priority, overlay)
  if overlay or was == 'a' then
    call('HDEL', P .. 'live', seq)
    call('ZREM', P .. 'a:' .. job.q, seq)
    count(lane, 'active', -1)
    countTenant(job.t, 'active', -1)
    if job.L ~= 'a' then freed[job.t] = true end
    return true
  end
  if was == 'p' then
    if call('ZREM', P .. 'r:' .. lane, seq) == 1 then
      moved(job.q, lane)
    else
      call('ZREM', P .. 'd:' .. job.q, seq .. ':' .. priority .. ':' .. lane)
      count(lane, 'deferred', -1)
    end
    return true
  end
  if was == 'h' then
    count(lane, 'held', -1)
    return true
  end
  local member = seq .. ':' .. job.i .. ':' .. lane
  local group = was == 'c' and 'c' or 'e'
  call('ZREM', P .. 'f:' .. job.q .. ':' .. group, member)
  call('ZREM', P .. 'finished', seq)
  call('ZREM', P .. 'expiring', member .. ':' .. group)
  count(lane, finishedFields[was], -1)
  unindex(was, job.q, job.t, seq)
  return false
end
local function place(job, seq, lane)
  local letter = job.L
  if letter == 'a' then
    local lease = job.o
    call('HSET', P .. 'live', seq, text(job.a) .. '|' .. lease[1] .. '|' .. text(lease[2]) .. '|' .. lease[3] .. '|' .. text(lease[4]) .. '|' .. lane .. '|' .. lease[5] .. '|a|' .. lease[6])
    call('ZADD', P .. 'a:' .. job.q, text(lease[2]), seq)
    count(lane, 'active', 1)
    countTenant(job.t, 'active', 1)
  elseif letter == 'h' then
    count(lane, 'held', 1)
  elseif letter == 'p' then
    if job.d <= now then
      addReady(job.q, lane, { readyScore(job.p, job.d), seq })
    else
      call('ZADD', P .. 'd:' .. job.q, text(job.d), seq .. ':' .. text(job.p) .. ':' .. lane)
      count(lane, 'deferred', 1)
    end
  else
    local member = seq .. ':' .. job.i .. ':' .. lane
    local group = letter == 'c' and 'c' or 'e'
    call('ZADD', P .. 'f:' .. job.q .. ':' .. group, text(job.F), member)
    call('ZADD', P .. 'finished', text(job.F), seq)
    if job.E then call('ZADD', P .. 'expiring', text(job.E), member .. ':' .. group) end
    count(lane, finishedFields[letter], 1)
    index(letter, job.q, job.t, seq)
    trimmed[job.q .. '\\n' .. group] = { job.q, group }
  end
end
local function save(job)
  local seq, base, was, lane = job.s, nil, nil, nil
  local wasUnfinished = false
  if seq == '' then
    seq = text(1000000000000 + call('HINCRBY', P .. 'meta', 'seq', 1))
    lane = laneOf(job.q, job.t)
    if job.L ~= '' then call('HSET', P .. 'ids', job.i, seq) end
  else
    base = call('HGET', P .. 'jobs', seq) or ''
    local priority
    was, priority, lane = string.match(base, '^%d+,(%a),([^,]*),[^,]*,[^,]*,(%d+),')
    lane = lane or laneOf(job.q, job.t)
    wasUnfinished = unplace(job, seq, lane, was or 'p', priority or '', call('HGET', P .. 'live', seq))
  end
  local isUnfinished = unfinishedStates[job.L] == true
  if wasUnfinished ~= isUnfinished then
    local change = isUnfinished and 1 or -1
    countTenant(job.t, 'unfinished', change)
    if isUnfinished then index('u', job.q, job.t, seq) else unindex('u', job.q, job.t, seq) end
    if job.u then
      if isUnfinished then call('ZADD', P .. 'u:' .. job.u, seq, job.i) else call('ZREM', P .. 'u:' .. job.u, job.i) end
    end
  end
  if job.unreplaced then call('HDEL', P .. 'replaced', job.unreplaced) end
  if job.L == '' then
    call('HDEL', P .. 'jobs', seq)
    call('HDEL', P .. 'ids', job.i)
    return
  end
  if job.replaced then call('HSET', P .. 'replaced', job.replaced, job.i) end
  local input
  if job.I == 0 then
    local head = string.find(base, '\\n', 1, true) or 0
    input = string.sub(base, (string.find(base, '\\n', head + 1, true) or 0) + 1)
  else
    input = ARGV[job.I]
  end
  local header = table.concat({ rev, job.L, text(job.p), text(job.d), text(job.c), lane, text(job.a), job.f }, ',')
  call('HSET', P .. 'jobs', seq, header .. '\\n' .. ARGV[job.D] .. '\\n' .. input)
  place(job, seq, lane)
end`;

const settings = `
-- Many at once go as one command of each kind.
local function saveSchedules(list)
  local texts, gone, names, due, undue, tenants = {}, {}, {}, {}, {}, {}
  for _, one in ipairs(list) do
    local name = one.n
    if one.D then
      texts[#texts + 1] = name
      texts[#texts + 1] = rev .. '|' .. ARGV[one.D]
      names[#names + 1] = 0
      names[#names + 1] = name
      tenants[one.t] = true
    else
      gone[#gone + 1] = name
    end
    if one.at then
      due[#due + 1] = text(one.at)
      due[#due + 1] = name
    else
      undue[#undue + 1] = name
    end
    if one.ticks ~= 0 then countTenant(one.t, 'schedules', one.ticks) end
  end
  callMany('HSET', P .. 'schedules', texts, 2)
  callMany('ZADD', P .. 'scheduleNames', names, 2)
  callMany('HDEL', P .. 'schedules', gone)
  callMany('ZREM', P .. 'scheduleNames', gone)
  callMany('ZADD', P .. 'due', due, 2)
  callMany('ZREM', P .. 'due', undue)
  for tenant in pairs(tenants) do call('ZADD', P .. 'tenantNames', 0, tenant) end
end`;

/**
 * ARGV: now, the plan as JSON (plan.ts makes it), and the texts that it names by their place. Answers 1, and when the next
 * schedule ticks, or "" where none does; or 0: something has moved, and nothing is written.
 */
export const commitScript = script(
  "steps.commit",
  "Writes all that a step has decided, or nothing: only while everything that it looked at is as it was (S2, J3, N2).",
  basis,
  epochHolds,
  events,
  signals,
  lanes,
  limits,
  waiting,
  finished,
  eventTrim,
  checks,
  placing,
  settings,
  `
-- First, as a log or a counter that a foreign hand has damaged stops it here, with nothing half done.
appendAll(plan.events)
for _, job in ipairs(plan.jobs) do save(job) end
for _, slot in ipairs(plan.slots) do
  if slot[2] == '\\t' then call('HDEL', P .. 'slots', slot[1]) else call('HSET', P .. 'slots', slot[1], slot[2]) end
end
saveSchedules(plan.schedules)
for _, one in ipairs(plan.undue) do
  call('ZREM', P .. 'due', one[1])
  countTenant(one[2], 'schedules', -1)
end
for _, used in ipairs(plan.used) do
  call('HSET', P .. 'idempotency', used[1], ARGV[used[2]])
  call('ZADD', P .. 'idempotencyEnds', text(used[3]), used[1])
end
trimEvents(#plan.events, plan.eventAgeMs)
for _, total in ipairs(plan.totals) do count(laneOf(total[1], total[2]), total[3], total[4]) end
if spend then
  if type(spentRate) == 'table' then
    call('HSET', P .. 'windows', spend.queue, windowText(spendRate(spentRate, spentWindow, 1)))
  end
  spendTenant(spend.tenant, 1)
end
if plan.claim then
  -- A repeat of the claim finds it.
  local seq = call('HGET', P .. 'ids', plan.claim[2])
  if seq then call('SET', P .. 'c:' .. plan.claim[1], seq, 'PX', math.max(60000, math.ceil(2 * plan.claim[3]))) end
end
for _, one in pairs(trimmed) do trim(one[1], one[2], one[2] == 'c' and plan.completedMax or plan.endedMax) end
if plan.inHand and call('GET', P .. 'firing') == plan.inHand then call('DEL', P .. 'firing') end
-- A server that takes over, or comes back, may lack this write: what has fired is known beside the store too.
if plan.told then redis.pcall('PUBLISH', P .. 'signals', ARGV[plan.told]) end
for tenant in pairs(freed) do tenantFreed(tenant) end
for _, signal in ipairs(plan.signals) do others[#others + 1] = ARGV[signal] end
arrangeLanes()
countAll()
send()
local next = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
return { 1, next[2] or '' }`,
);
