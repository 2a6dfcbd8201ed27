// What the scripts share, as fragments of Lua that each of them puts before its own text. A script is one atomic step:
// nothing runs beside it, so what it reads is still so when it writes.
import { defaults } from "../../../core/defaults.ts";

/** Keys, the instant of the step, and numbers as text: all digits of a whole number, and a fraction as it was. */
export const basis = `
local P = KEYS[1]
local call = redis.call
local now
if ARGV[1] == '' then
  local t = call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
else
  now = tonumber(ARGV[1])
end
local function text(n)
  if n % 1 == 0 and n < 9e15 and n > -9e15 then return string.format('%d', n) end
  return string.format('%.17g', n)
end
-- Calls a command with a long list of arguments, at most 4,000 at a time; \`step\` of them belong together.
local function callMany(command, key, list, step)
  local most = 4000 - 4000 % (step or 1)
  local answer = 0
  for from = 1, #list, most do
    local some = call(command, key, unpack(list, from, math.min(from + most - 1, #list)))
    if type(some) == 'number' then answer = answer + some end
  end
  return answer
end
local function getMany(key, fields)
  local values = {}
  for from = 1, #fields, 4000 do
    local some = call('HMGET', key, unpack(fields, from, math.min(from + 3999, #fields)))
    for i = 1, #some do values[from + i - 1] = some[i] end
  end
  return values
end`;

/** Audit events: \`append(json, tenant, schedule, job, fired)\`, texts "" where there is none. Ids grow without gaps. */
export const events = `
local function append(json, tenant, schedule, job, fired)
  local id = text(call('HINCRBY', P .. 'meta', 'event', 1))
  call('XADD', P .. 'events', id .. '-1', 'e', json)
  call('ZADD', P .. 'e:t' .. tenant, id, id)
  if schedule ~= '' then call('ZADD', P .. 'e:s' .. tenant .. '\\n' .. schedule, id, id) end
  if job ~= '' then call('ZADD', P .. 'e:j' .. job, id, id) end
  if fired and job ~= '' then call('HSET', P .. 'fired', job, id) end
end
-- The same of many, each given as its text's place in ARGV, tenant, schedule, job, and 1 for a fired tick.
local function appendAll(list)
  if #list == 0 then return end
  local last = call('HINCRBY', P .. 'meta', 'event', #list)
  local ofTenants, fired = {}, {}
  for i, one in ipairs(list) do
    local id = text(last - #list + i)
    local tenant, schedule, job = one[2], one[3], one[4]
    call('XADD', P .. 'events', id .. '-1', 'e', ARGV[one[1]])
    local ids = ofTenants[tenant]
    if ids == nil then ids = {}; ofTenants[tenant] = ids end
    ids[#ids + 1] = id
    ids[#ids + 1] = id
    if schedule ~= '' then call('ZADD', P .. 'e:s' .. tenant .. '\\n' .. schedule, id, id) end
    if job ~= '' then
      call('ZADD', P .. 'e:j' .. job, id, id)
      if one[5] == 1 then
        fired[#fired + 1] = job
        fired[#fired + 1] = id
      end
    end
  end
  for tenant, ids in pairs(ofTenants) do callMany('ZADD', P .. 'e:t' .. tenant, ids, 2) end
  callMany('HSET', P .. 'fired', fired, 2)
end`;

/** Signals: told once per queue, with the earliest instant, and only what is due within the horizon (T6). */
export const signals = `
local wakes, ticks, others = {}, nil, {}
local function wake(queue, dueAt)
  if dueAt > now + ${defaults.pollHorizonMs} then return end
  if wakes[queue] == nil or dueAt < wakes[queue] then wakes[queue] = dueAt end
end
local function send()
  local list = others
  for queue, dueAt in pairs(wakes) do
    list[#list + 1] = '{"kind":"wake","queue":' .. cjson.encode(queue) .. ',"dueAt":' .. text(dueAt) .. '}'
  end
  if ticks ~= nil then list[#list + 1] = '{"kind":"tick","dueAt":' .. text(ticks) .. '}' end
  -- Who may not publish is not told of that here: what has been written is written, and polls find it.
  if #list > 0 then redis.pcall('PUBLISH', P .. 'signals', '[' .. table.concat(list, ',') .. ']') end
end`;

/** Lanes: numbers, names, counters; and the chunked indexes that listings page through. */
export const lanes = `
local laneNumbers, laneNames = {}, {}
local function laneOf(queue, tenant)
  local name = queue .. '\\n' .. tenant
  local lane = laneNumbers[name]
  if lane == nil then
    lane = call('HGET', P .. 'lanes', name)
    if not lane or not string.find(lane, '^%d%d%d%d%d%d%d%d%d%d$') then
      lane = text(1000000000 + call('HINCRBY', P .. 'meta', 'lane', 1))
      call('HSET', P .. 'lanes', name, lane)
      local weight = 1
      local record = call('HGET', P .. 'tenants', tenant)
      if record then
        local read, tenantRecord = pcall(cjson.decode, string.sub(record, (string.find(record, '|', 1, true) or 0) + 1))
        if read and type(tenantRecord) == 'table' and type(tenantRecord.weight) == 'number' then weight = tenantRecord.weight end
      end
      call('HSET', P .. 'l:' .. lane, 'queue', queue, 'tenant', tenant, 'pass', '0', 'weight', text(weight))
      call('ZADD', P .. 'queueNames', 0, queue)
      call('ZADD', P .. 'tenantNames', 0, tenant)
      call('SADD', P .. 'lanesOf:' .. tenant, lane)
      call('SADD', P .. 'lanesIn:' .. queue, lane)
    end
    laneNumbers[name] = lane
    laneNames[lane] = { queue, tenant }
  end
  return lane
end
-- The queue and the tenant of a lane.
local function nameOfLane(lane)
  local name = laneNames[lane]
  if name == nil then
    name = call('HMGET', P .. 'l:' .. lane, 'queue', 'tenant')
    laneNames[lane] = name
  end
  return name[1], name[2]
end
-- Counters are gathered, and written once by \`countAll\`.
local laneCounts, tenantCounts = {}, {}
local function count(lane, field, n)
  local of = laneCounts[lane]
  if of == nil then of = {}; laneCounts[lane] = of end
  of[field] = (of[field] or 0) + n
end
local function countTenant(tenant, field, n)
  -- Of a lane whose names a foreign hand has removed.
  if not tenant then return end
  local of = tenantCounts[tenant]
  if of == nil then of = {}; tenantCounts[tenant] = of end
  of[field] = (of[field] or 0) + n
end
-- The chunk and the place in it of a job's number.
local marked, unmarked = {}, {}
local function mark(into, class, queue, tenant, seq)
  local number = tonumber(seq) - 1000000000000
  local chunk = math.floor(number / 512)
  -- Most are neighbours of the one before.
  local last = into.last
  if last and last.number == chunk and last.class == class and last.queue == queue and last.tenant == tenant then
    last[#last + 1] = number % 512
    return
  end
  local key = class .. chunk .. '\\n' .. queue .. '\\n' .. tenant
  local lists = into[key]
  if lists == nil then
    lists = { class = class, number = chunk, chunk = text(chunk), queue = queue, tenant = tenant }
    into[key] = lists
  end
  into.last = lists
  lists[#lists + 1] = number % 512
end
local function index(class, queue, tenant, seq) mark(marked, class, queue, tenant, seq) end
local function unindex(class, queue, tenant, seq) mark(unmarked, class, queue, tenant, seq) end
local function writeIndexes()
  marked.last, unmarked.last = nil, nil
  for _, list in pairs(unmarked) do
    for _, scope in ipairs({ 'g', 't' .. list.tenant, 'q' .. list.queue }) do
      local key = P .. 'i:' .. list.class .. ':' .. list.chunk .. ':' .. scope
      callMany('SREM', key, list)
      if call('EXISTS', key) == 0 then call('ZREM', P .. 'I:' .. list.class .. ':' .. scope, list.chunk) end
    end
  end
  for _, list in pairs(marked) do
    for _, scope in ipairs({ 'g', 't' .. list.tenant, 'q' .. list.queue }) do
      callMany('SADD', P .. 'i:' .. list.class .. ':' .. list.chunk .. ':' .. scope, list)
      call('ZADD', P .. 'I:' .. list.class .. ':' .. scope, list.chunk, list.chunk)
    end
  end
end
local function add(key, field, n)
  if n == 0 then return end
  -- What a foreign hand has left there is no number: it is counted anew.
  if type(redis.pcall('HINCRBY', key, field, n)) == 'table' then call('HSET', key, field, math.max(0, n)) end
end
-- Writes counters and indexes: once, at the end of a script.
local function countAll()
  for lane, fields in pairs(laneCounts) do
    for field, n in pairs(fields) do
      add(P .. 'l:' .. lane, field, n)
    end
  end
  for tenant, fields in pairs(tenantCounts) do
    for field, n in pairs(fields) do
      add(P .. 't:' .. tenant, field, n)
    end
  end
  writeIndexes()
end`;

/** What queues and tenants may give to claims (core's queue.ts and tenant-record.ts), and who waits for a place. */
export const limits = `
-- A limit that cannot be read must neither be ignored nor stop others: this one stands still until it is set anew.
local standstill = { queues = { paused = true }, tenants = { rate = { count = 0, periodMs = 1 } } }
local function isRate(rate)
  return rate == nil or (type(rate) == 'table' and type(rate.count) == 'number' and type(rate.periodMs) == 'number')
end
local function isRecord(hash, record)
  if type(record) ~= 'table' then return false end
  if hash == 'queues' and type(record.paused) ~= 'boolean' then return false end
  if hash == 'tenants' and type(record.weight) ~= 'number' then return false end
  return (record.concurrency == nil or type(record.concurrency) == 'number') and isRate(record.rate)
end
local function recordOf(hash, name)
  local stored = call('HGET', P .. hash, name)
  if not stored then return nil end
  if hash == 'tenants' then stored = string.sub(stored, (string.find(stored, '|', 1, true) or 0) + 1) end
  local read, record = pcall(cjson.decode, stored)
  return read and isRecord(hash, record) and record or standstill[hash]
end
local queueRecords, tenantRecords = {}, {}
local function queueRecord(queue)
  local record = queueRecords[queue]
  if record == nil then
    record = recordOf('queues', queue) or false
    queueRecords[queue] = record
  end
  return record
end
local limitedTenants
local function isLimitedTenant(tenant)
  if limitedTenants == nil then
    limitedTenants = {}
    for _, id in ipairs(call('SMEMBERS', P .. 'limited')) do limitedTenants[id] = true end
  end
  return limitedTenants[tenant] == true
end
local function tenantRecord(tenant)
  local record = tenantRecords[tenant]
  if record == nil then
    record = recordOf('tenants', tenant) or false
    tenantRecords[tenant] = record
  end
  return record
end
local function sliceOf(rate) return math.max(1, math.ceil(rate.periodMs / 10)) end
local function readWindow(stored)
  if not stored then return {} end
  local read, window = pcall(cjson.decode, stored)
  if not read or type(window) ~= 'table' then return {} end
  for _, slice in ipairs(window) do
    if type(slice) ~= 'table' or type(slice[1]) ~= 'number' or type(slice[2]) ~= 'number' then return {} end
  end
  return window
end
local function windowText(window)
  local slices = {}
  for i, slice in ipairs(window) do slices[i] = '[' .. text(slice[1]) .. ',' .. text(slice[2]) .. ']' end
  return '[' .. table.concat(slices, ',') .. ']'
end
-- How many claims a rate still allows, the window without what has passed, and when the next one is regained.
local function rateAllowance(rate, window)
  local slice = sliceOf(rate)
  local live, used = {}, 0
  for _, one in ipairs(window) do
    if one[1] + slice + rate.periodMs > now then
      live[#live + 1] = one
      used = used + one[2]
    end
  end
  local regainAt
  if used >= rate.count then
    local left = used - rate.count
    for _, one in ipairs(live) do
      left = left - one[2]
      if left < 0 then
        regainAt = one[1] + slice + rate.periodMs
        break
      end
    end
  end
  return math.max(0, rate.count - used), live, regainAt
end
local function spendRate(rate, window, claims)
  local slice = sliceOf(rate)
  local startAt = math.floor(now / slice) * slice
  local last = window[#window]
  if last ~= nil and last[1] >= startAt then
    window[#window] = { last[1], last[2] + claims }
  else
    window[#window + 1] = { startAt, claims }
  end
  return window
end
-- What a tenant may be given: jobs, recoveries, and when its rate gives again.
local function tenantRoom(tenant)
  if not isLimitedTenant(tenant) then return math.huge, math.huge, nil end
  local record = tenantRecord(tenant) or {}
  local stored = call('HMGET', P .. 't:' .. tenant, 'active', 'window')
  local pending = tenantCounts[tenant] and tenantCounts[tenant].active or 0
  local active = (tonumber(stored[1]) or 0) + pending
  local places = math.huge
  if type(record.concurrency) == 'number' then places = math.max(0, record.concurrency - active) end
  if type(record.rate) ~= 'table' then return places, math.huge, nil end
  local allowed, _, regainAt = rateAllowance(record.rate, readWindow(stored[2]))
  if record.rate.count < 1 and regainAt == nil then regainAt = ${8.64e15} end
  return math.min(places, allowed), allowed, regainAt
end
-- Counts claims of a tenant, after their places have been counted; one that may be given no more is passed over.
local function spendTenant(tenant, claims)
  if not isLimitedTenant(tenant) then return end
  local record = tenantRecord(tenant) or {}
  local key = P .. 't:' .. tenant
  local window = '[]'
  if type(record.rate) == 'table' then
    local _, live = rateAllowance(record.rate, readWindow(call('HGET', key, 'window')))
    window = windowText(spendRate(record.rate, live, claims))
  end
  call('HSET', key, 'window', window)
  if tenantRoom(tenant) == 0 then call('HSET', key, 'passedOver', '1') end
end
local function isPassedOver(tenant)
  return isLimitedTenant(tenant) and call('HGET', P .. 't:' .. tenant, 'passedOver') == '1'
end
-- A place of a queue is free: where its claims are limited, whoever waits for one is told.
local function placeFreed(queue)
  local record = queueRecord(queue)
  if record and type(record.concurrency) == 'number' then wake(queue, now) end
end
-- Fewer jobs of a tenant are active: where it was passed over and may be given again, its queues are told.
local function tenantFreed(tenant)
  if not isPassedOver(tenant) or tenantRoom(tenant) <= 0 then return end
  for _, lane in ipairs(call('SMEMBERS', P .. 'lanesOf:' .. tenant)) do
    if call('ZCARD', P .. 'r:' .. lane) > 0 then
      local queue = nameOfLane(lane)
      wake(queue, now)
    end
  end
end`;

/** Where jobs wait: ready in their lane, deferred in their queue; and the fair share of the lanes. */
export const waiting = `
local priorityStep = 562949953421312
local function savePass(queue, lane, pass)
  local passText = text(pass)
  call('HSET', P .. 'l:' .. lane, 'pass', passText)
  if pass > (tonumber(call('HGET', P .. 'g', queue)) or 0) then call('HSET', P .. 'g', queue, passText) end
end
-- The lowest pass of the queue's ready lanes, but for those passed over; where there is none the greatest there is.
local function enteringPass(queue)
  local from = 0
  while true do
    local some = call('ZRANGE', P .. 's:' .. queue, from, from + 99, 'WITHSCORES')
    for i = 1, #some, 2 do
      local _, tenant = nameOfLane(some[i])
      if not isPassedOver(tenant) then return tonumber(some[i + 1]) end
    end
    if #some < 200 then break end
    from = from + 100
  end
  return tonumber(call('HGET', P .. 'g', queue)) or 0
end
-- A lane that was empty has ready jobs: it enters the fair share, and saves nothing up.
local function enterLane(queue, lane, entering)
  local pass = math.max(tonumber(call('HGET', P .. 'l:' .. lane, 'pass')) or 0, entering or enteringPass(queue))
  savePass(queue, lane, pass)
  call('ZADD', P .. 's:' .. queue, text(pass), lane)
end
local function readyScore(priority, dueAt) return text(priority * priorityStep + dueAt) end
-- Lanes that have gained or lost ready jobs, in the order in which they first did.
local movedLanes, isMoved = {}, {}
local function moved(queue, lane)
  if isMoved[lane] then return end
  isMoved[lane] = true
  movedLanes[#movedLanes + 1] = { queue, lane }
end
-- Adds ready jobs of one lane: a list of scores and numbers of jobs.
local function addReady(queue, lane, list)
  callMany('ZADD', P .. 'r:' .. lane, list, 2)
  moved(queue, lane)
end
-- Lanes that have filled enter the fair share, and emptied ones leave it: at the end of a script, so that one which is
-- emptied and filled again meanwhile, as a change to its only job does, keeps its place.
local function arrangeLanes()
  for _, one in ipairs(movedLanes) do
    local queue, lane = one[1], one[2]
    local isShared = call('ZSCORE', P .. 's:' .. queue, lane)
    if call('EXISTS', P .. 'r:' .. lane) == 0 then
      if isShared then call('ZREM', P .. 's:' .. queue, lane) end
    elseif not isShared then
      enterLane(queue, lane)
    end
  end
  movedLanes, isMoved = {}, {}
end
-- Moves what has come due in a queue from deferred to ready, at most so many; whether some are left.
local function promote(queue, most)
  local due = call('ZRANGEBYSCORE', P .. 'd:' .. queue, '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, most)
  if #due == 0 then return false end
  local byLane, order, gone = {}, {}, {}
  for i = 1, #due, 2 do
    local member = due[i]
    local seq, priority, lane = string.match(member, '^(%d+):([^:]+):(%d+)$')
    gone[#gone + 1] = member
    if seq and tonumber(priority) then
      local list = byLane[lane]
      if list == nil then list = {}; byLane[lane] = list; order[#order + 1] = lane end
      list[#list + 1] = text(tonumber(priority) * priorityStep + tonumber(due[i + 1]))
      list[#list + 1] = seq
    end
  end
  callMany('ZREM', P .. 'd:' .. queue, gone)
  table.sort(order)
  local entering
  for _, lane in ipairs(order) do
    local list = byLane[lane]
    if call('EXISTS', P .. 'r:' .. lane) == 0 then
      entering = entering or enteringPass(queue)
      enterLane(queue, lane, entering)
    end
    callMany('ZADD', P .. 'r:' .. lane, list, 2)
    count(lane, 'deferred', -#list / 2)
  end
  return #due >= 2 * most
end`;

/** Finished jobs beyond the count are dropped so many at least at a time, but for those that a purge drops. */
const trimmedLeast = 100;

/** Finished jobs: how they are kept and dropped. */
export const finished = `
local finishedFields = { c = 'completed', f = 'failed', x = 'cancelled' }
-- Removes finished jobs of one group (c or e) of a queue, named by their members, wherever they stand.
local function dropFinished(queue, group, members)
  if #members == 0 then return end
  local seqs, ids, expiring = {}, {}, {}
  -- What a job's text tells is needed where it may have been cancelled, or replaced while it waited.
  local reads = group == 'e' or call('EXISTS', P .. 'replaced') == 1
  for _, member in ipairs(members) do
    local seq, id, lane = string.match(member, '^(%d+):([^:]+):(%d+)$')
    -- What a foreign hand has left there goes too, and leads nowhere.
    if seq then
      local base = reads and call('HGET', P .. 'jobs', seq) or ''
      local state = group == 'c' and 'c' or (string.match(base, '^%d+,x') and 'x' or 'f')
      local _, tenant = nameOfLane(lane)
      if tenant then
        count(lane, finishedFields[state], -1)
        unindex(state, queue, tenant, seq)
      end
      local by = reads and string.match(string.match(base, '\\n([^\\n\\t]*)') or '', '"by":"([^"]+)"')
      if by then call('HDEL', P .. 'replaced', by) end
      seqs[#seqs + 1] = seq
      ids[#ids + 1] = id
    end
    expiring[#expiring + 1] = member .. ':' .. group
  end
  callMany('HDEL', P .. 'jobs', seqs)
  callMany('HDEL', P .. 'ids', ids)
  callMany('ZREM', P .. 'f:' .. queue .. ':' .. group, members)
  callMany('ZREM', P .. 'finished', seqs)
  callMany('ZREM', P .. 'expiring', expiring)
end
-- Beyond the count the oldest of a group go (J10), some at a time: that costs less than one with each that comes.
local function trim(queue, group, max)
  local key = P .. 'f:' .. queue .. ':' .. group
  local over = call('ZCARD', key) - max
  if over < ${trimmedLeast} then return end
  -- Among them may be some that have ended just now: what is to stand in the indexes goes in before it goes out.
  writeIndexes()
  marked, unmarked = {}, {}
  dropFinished(queue, group, call('ZRANGE', key, 0, math.min(over, 1000) - 1))
end`;
