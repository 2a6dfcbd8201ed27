// What a transfer does with jobs and with the lanes they are counted in.

/** `flush()` writes counters and indexes. `dropJob(seq)`: a job goes with all that leads to it. `writeJob(job)`: over whatever has its number, its id or its slot. */
export const restoring = `
local function flush()
  arrangeLanes()
  countAll()
  laneCounts, tenantCounts, marked, unmarked = {}, {}, {}, {}
end
local function slotsOf(name)
  local current, successor = string.match(call('HGET', P .. 'slots', name) or '\\t', '^([^\\t]*)\\t(.*)$')
  return current or '', successor or ''
end
local function saveSlots(name, current, successor)
  if current == '' and successor == '' then
    call('HDEL', P .. 'slots', name)
  else
    call('HSET', P .. 'slots', name, current .. '\\t' .. successor)
  end
end
local function detailOf(base)
  local head = string.find(base, '\\n', 1, true) or 0
  local detail = string.match(base, '^([^\\n\\t]*)', head + 1)
  local read, value = pcall(cjson.decode, detail)
  if read and type(value) == 'table' then return value end
  return { i = string.match(detail, '"i":"([^"]*)"') }
end
local function dropJob(seq)
  local base = call('HGET', P .. 'jobs', seq)
  if not base then return end
  local was, priority, lane = string.match(base, '^%d+,(%a),([^,]*),[^,]*,[^,]*,(%d+),')
  local detail, queue, tenant = detailOf(base), nil, nil
  local id = type(detail.i) == 'string' and detail.i or ''
  if lane then queue, tenant = nameOfLane(lane) end
  if queue and unplace({ q = queue, t = tenant, i = id, L = '' }, seq, lane, was, priority, call('HGET', P .. 'live', seq)) then
    unindex('u', queue, tenant, seq)
    countTenant(tenant, 'unfinished', -1)
    if type(detail.o) == 'table' then call('ZREM', P .. 'u:' .. detail.o[2], id) end
    if type(detail.y) == 'string' then
      local name = tenant .. '\\n' .. queue .. '\\n' .. detail.y
      local current, successor = slotsOf(name)
      saveSlots(name, current == id and '' or current, successor == id and '' or successor)
    end
  end
  call('HDEL', P .. 'jobs', seq)
  if call('HGET', P .. 'ids', id) == seq then call('HDEL', P .. 'ids', id) end
  if type(detail.by) == 'string' and call('HGET', P .. 'replaced', detail.by) == id then
    call('HDEL', P .. 'replaced', detail.by)
  end
end
local function dropNamed(id)
  local seq = id ~= '' and call('HGET', P .. 'ids', id)
  if seq then dropJob(seq) end
end
local function takeSlot(job)
  local name = job.t .. '\\n' .. job.q .. '\\n' .. job.y
  local current, successor = slotsOf(name)
  dropNamed(job.L == 'h' and successor or current)
  current, successor = slotsOf(name)
  if job.L == 'h' then successor = job.i else current = job.i end
  saveSlots(name, current, successor)
end
local function writeJob(job)
  local seq, isUnfinished = job.s, unfinishedStates[job.L] == true
  dropJob(seq)
  dropNamed(job.i)
  if isUnfinished and job.y then takeSlot(job) end
  local lane = laneOf(job.q, job.t)
  local header = table.concat({ rev, job.L, text(job.p), text(job.d), text(job.c), lane, text(job.a), job.f }, ',')
  call('HSET', P .. 'jobs', seq, header .. '\\n' .. ARGV[job.D] .. '\\n' .. ARGV[job.I])
  call('HSET', P .. 'ids', job.i, seq)
  if job.by then call('HSET', P .. 'replaced', job.by, job.i) end
  place(job, seq, lane)
  if isUnfinished then
    index('u', job.q, job.t, seq)
    countTenant(job.t, 'unfinished', 1)
    if job.u then call('ZADD', P .. 'u:' .. job.u, seq, job.i) end
  end
  local number = tonumber(seq) - 1000000000000
  if number > (tonumber(call('HGET', P .. 'meta', 'seq')) or 0) then call('HSET', P .. 'meta', 'seq', text(number)) end
end`;

/** A lane's counters follow from its jobs; what is written is its totals and its place in the fair share. */
export const shares = `
local sharing = {}
local function writeLane(one)
  local lane = laneOf(one.q, one.t)
  call('HSET', P .. 'l:' .. lane, 'tcompleted', text(one.c), 'tfailed', text(one.f), 'tcancelled', text(one.x), 'pass', text(one.p), 'weight', text(one.w))
  call('ZADD', P .. 's:' .. one.q, 'XX', text(one.p), lane)
  sharing[one.q] = true
end
local function removeLane(queue, tenant)
  local name = queue .. '\\n' .. tenant
  local lane = call('HGET', P .. 'lanes', name)
  if not lane then return end
  sharing[queue] = true
  local jobs = call('ZCARD', P .. 'r:' .. lane)
  local counts = call('HMGET', P .. 'l:' .. lane, 'deferred', 'held', 'active', 'completed', 'failed', 'cancelled')
  for _, n in ipairs(counts) do jobs = jobs + (tonumber(n) or 0) end
  if jobs > 0 then
    -- Its jobs are counted in it as long as they are there.
    call('HSET', P .. 'l:' .. lane, 'tcompleted', '0', 'tfailed', '0', 'tcancelled', '0', 'pass', '0')
    call('ZADD', P .. 's:' .. queue, 'XX', '0', lane)
    return
  end
  call('HDEL', P .. 'lanes', name)
  call('DEL', P .. 'l:' .. lane)
  call('ZREM', P .. 's:' .. queue, lane)
  call('SREM', P .. 'lanesOf:' .. tenant, lane)
  call('SREM', P .. 'lanesIn:' .. queue, lane)
  laneNumbers[name], laneNames[lane] = nil, nil
  tidyQueue(queue)
  tidyTenant(tenant)
end
-- The greatest pass of a queue, where lanes enter that find no other.
local function writeGreatest(queue)
  local greatest = 0
  for _, lane in ipairs(call('SMEMBERS', P .. 'lanesIn:' .. queue)) do
    greatest = math.max(greatest, tonumber(call('HGET', P .. 'l:' .. lane, 'pass')) or 0)
  end
  if greatest > 0 then call('HSET', P .. 'g', queue, text(greatest)) else call('HDEL', P .. 'g', queue) end
end`;
