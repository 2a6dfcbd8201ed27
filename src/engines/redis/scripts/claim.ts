// jobs.claim: gives due jobs to a worker, in one step whatever limits and tenants there are.
import { epochHolds } from "../migrations.ts";
import { script } from "../script.ts";
import { basis, events, lanes, limits, signals, waiting } from "./prelude.ts";

/** So many jobs of a queue come due in one claim at most. */
const promotedMax = 1_000;

/** What a claim is asked for, and which of the wanted queues are open to it. */
const wants = `
local claimId, worker, leaseMs = ARGV[2], ARGV[3], tonumber(ARGV[4])
local most, starts, bytesMax = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local open, paused, limited = {}, {}, {}
local everyQueue = queueRecord('*')
for i = 10, #ARGV, 2 do
  local queue = ARGV[i]
  local record = queueRecord(queue) or {}
  if type(record.concurrency) == 'number' or type(record.rate) == 'table' then limited[#limited + 1] = queue end
  if record.paused == true or (everyQueue and everyQueue.paused == true) then
    paused[#paused + 1] = queue
  else
    open[#open + 1] = { queue = queue, limit = tonumber(ARGV[i + 1]), record = record }
  end
end
local limitAny = call('SCARD', P .. 'limited') > 0
local function limitedIds()
  isLimitedTenant('')
  local ids = {}
  for id in pairs(limitedTenants) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end
local function rateLeft(one)
  if type(one.record.rate) ~= 'table' then return math.huge, nil end
  local allowed, live, regainAt = rateAllowance(one.record.rate, one.window or readWindow(call('HGET', P .. 'windows', one.queue)))
  one.window = live
  return allowed, regainAt
end
local function allowance(one)
  local allowed, regainAt = rateLeft(one)
  if type(one.record.concurrency) == 'number' then
    allowed = math.min(allowed, one.record.concurrency - call('ZCARD', P .. 'a:' .. one.queue))
  end
  return allowed, regainAt
end
local function tenantRegainAt(tenant)
  if not isLimitedTenant(tenant) then return nil end
  local _, _, regainAt = tenantRoom(tenant)
  return regainAt
end
local function readyOf(queue, tenant)
  local lane = call('HGET', P .. 'lanes', queue .. '\\n' .. tenant)
  if not lane then return 0, nil end
  return call('ZCARD', P .. 'r:' .. lane), lane
end`;

/** Leases that have ended: recovered alone, or given up for a place that is wanted. */
const leases = `
local function tenantOfLease(seq)
  local overlay = call('HGET', P .. 'live', seq)
  local lane = overlay and string.match(overlay, '^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|([^|]*)|')
  if not lane then return nil end
  local _, tenant = nameOfLane(lane)
  return tenant
end
-- Whether a job can be found by its id, as the steps find it that recover it.
local function isNamed(seq)
  local id = string.match(call('HGET', P .. 'jobs', seq) or '', '"i":"([^"]+)"')
  return id and call('HGET', P .. 'ids', id) == seq
end
-- The lease of a queue that ended first, of a tenant whose rate allows it to be recovered.
local function expired(queue)
  local from = 0
  while true do
    local some = call('ZRANGEBYSCORE', P .. 'a:' .. queue, '-inf', text(now), 'LIMIT', from, 100)
    for _, seq in ipairs(some) do
      local tenant = tenantOfLease(seq)
      if tenant == nil or not isNamed(seq) then
        call('ZREM', P .. 'a:' .. queue, seq)
      elseif tenantRegainAt(tenant) == nil then
        return seq
      end
    end
    if #some < 100 then return nil end
    from = from + 100
  end
end
-- Tenants with jobs in the claim's queues that wait for nothing but a place.
local function wantingPlaces()
  local wanting, any = {}, false
  if starts < 1 or not limitAny then return wanting, any end
  for _, tenant in ipairs(limitedIds()) do
    local waits = false
    for _, one in ipairs(open) do
      if readyOf(one.queue, tenant) > 0 then waits = true end
    end
    if waits then
      local jobs, recoveries = tenantRoom(tenant)
      if jobs == 0 and recoveries > 0 then wanting[tenant] = true; any = true end
    end
  end
  return wanting, any
end
-- The earliest lease of tenants, in all queues: its number and its end.
local function firstLeaseOf(tenants)
  local first, firstAt
  for tenant in pairs(tenants) do
    for _, lane in ipairs(call('SMEMBERS', P .. 'lanesOf:' .. tenant)) do
      local queue = nameOfLane(lane)
      local from = 0
      while true do
        local some = call('ZRANGE', P .. 'a:' .. queue, from, from + 99, 'WITHSCORES')
        local found = false
        for i = 1, #some, 2 do
          if tenantOfLease(some[i]) == tenant then
            local at = tonumber(some[i + 1])
            if firstAt == nil or at < firstAt then first, firstAt = some[i], at end
            found = true
            break
          end
        end
        if found or #some < 200 then break end
        from = from + 100
      end
    end
  end
  return first, firstAt
end`;

/** The fair share of a queue's lanes (core's shareLanes and shareLimited), and what is taken of each. */
const sharing = `
local function comesFirst(a, b) return a.pass < b.pass or (a.pass == b.pass and a.lane < b.lane) end
local function sift(heap, i)
  while true do
    local least, left = i, 2 * i
    if heap[left] and comesFirst(heap[left], heap[least]) then least = left end
    if heap[left + 1] and comesFirst(heap[left + 1], heap[least]) then least = left + 1 end
    if least == i then return end
    heap[i], heap[least] = heap[least], heap[i]
    i = least
  end
end
local function shareLanes(list, limit)
  if #list == 1 then
    local only = list[1]
    only.take = math.min(limit, only.ready)
    only.pass = only.pass + only.take / only.weight
    return only.take > 0 and list or {}
  end
  local heap, served = {}, {}
  for _, lane in ipairs(list) do
    lane.take = 0
    if lane.ready > 0 then heap[#heap + 1] = lane end
  end
  for i = math.floor(#heap / 2), 1, -1 do sift(heap, i) end
  for _ = 1, limit do
    local lane = heap[1]
    if lane == nil then break end
    if lane.take == 0 then served[#served + 1] = lane end
    lane.take = lane.take + 1
    lane.pass = lane.pass + 1 / lane.weight
    if lane.take >= lane.ready then
      heap[1] = heap[#heap]
      heap[#heap] = nil
    end
    if heap[1] then sift(heap, 1) end
  end
  return served
end
local function shareOf(lane, pass)
  local stored = call('HMGET', P .. 'l:' .. lane, 'tenant', 'weight')
  return { lane = lane, tenant = stored[1], ready = call('ZCARD', P .. 'r:' .. lane), pass = pass, before = pass, weight = tonumber(stored[2]) or 1, take = 0, starting = 0 }
end
local function readyLanes(queue, most)
  local stored = call('ZRANGE', P .. 's:' .. queue, 0, most, 'WITHSCORES')
  local list = {}
  for i = 1, #stored, 2 do list[#list + 1] = shareOf(stored[i], tonumber(stored[i + 1])) end
  return list
end
-- A tenant's limit gives again: its lanes re-enter the fair share as lanes that fill do.
local function reenter(tenant)
  if not isPassedOver(tenant) then return end
  for _, lane in ipairs(call('SMEMBERS', P .. 'lanesOf:' .. tenant)) do
    local queue = nameOfLane(lane)
    local own = call('ZSCORE', P .. 's:' .. queue, lane)
    if own then
      local pass = math.max(tonumber(own), enteringPass(queue))
      savePass(queue, lane, pass)
      call('ZADD', P .. 's:' .. queue, text(pass), lane)
    end
  end
  call('HDEL', P .. 't:' .. tenant, 'passedOver')
end
local function plan(queue, starting, limit)
  if not limitAny then
    local served = shareLanes(readyLanes(queue, limit - 1), limit)
    for _, lane in ipairs(served) do lane.starting = lane.take end
    return served
  end
  local members = call('ZRANGE', P .. 's:' .. queue, 0, -1)
  table.sort(members)
  local rooms = {}
  for i, lane in ipairs(members) do
    local _, tenant = nameOfLane(lane)
    rooms[i] = tenantRoom(tenant)
  end
  for i, lane in ipairs(members) do
    local _, tenant = nameOfLane(lane)
    if rooms[i] ~= 0 then reenter(tenant) end
  end
  local all = {}
  for i, lane in ipairs(members) do
    local share = shareOf(lane, tonumber(call('ZSCORE', P .. 's:' .. queue, lane)))
    share.ready = math.min(share.ready, rooms[i])
    all[i] = share
  end
  local takes, given = {}, 0
  for _, lane in ipairs(shareLanes(all, math.min(math.max(0, starting), limit))) do
    lane.starting = lane.take
    given = given + lane.take
    takes[#takes + 1] = lane
  end
  local left, of = {}, {}
  for _, lane in ipairs(all) do
    if not isLimitedTenant(lane.tenant) then
      local rest = { lane = lane.lane, ready = lane.ready - lane.take, pass = lane.pass, weight = lane.weight }
      of[rest] = lane
      left[#left + 1] = rest
    end
  end
  for _, rest in ipairs(shareLanes(left, limit - given)) do
    local lane = of[rest]
    if lane.take == 0 and rest.take > 0 then takes[#takes + 1] = lane end
    lane.take = lane.take + rest.take
    lane.pass = rest.pass
  end
  return takes
end
local function inTurn(lists)
  local turns, longest = {}, 0
  for _, list in ipairs(lists) do longest = math.max(longest, #list) end
  for turn = 1, longest do
    for _, list in ipairs(lists) do
      if list[turn] then turns[#turns + 1] = list[turn] end
    end
  end
  return turns
end
-- The next jobs of a queue: { number, lane }, in the order in which they are given. They still stand in their lanes.
local function pick(queue, starting, limit)
  local shares, first, ahead, only = {}, {}, {}, nil
  for _, lane in ipairs(plan(queue, starting, limit)) do
    if lane.take > 0 then
      local seqs = call('ZRANGE', P .. 'r:' .. lane.lane, 0, lane.take - 1)
      local begin, rest, all = {}, {}, {}
      for i, seq in ipairs(seqs) do
        local job = { seq, lane }
        all[i] = job
        if i <= lane.starting then begin[#begin + 1] = job else rest[#rest + 1] = job end
      end
      shares[#shares + 1] = lane
      first[#first + 1] = begin
      ahead[#ahead + 1] = rest
      only = all
    end
  end
  if #shares == 1 then return only, shares end
  local picked = inTurn(first)
  for _, job in ipairs(inTurn(ahead)) do picked[#picked + 1] = job end
  return picked, shares
end`;

const taking = `
local audits = ARGV[9] == '1'
-- core's claimedEvent; the detail is that of a job's base text (row-body.ts).
local function appendClaim(lane, detail, attempt, recovered)
  local schedule = type(detail.o) == 'table' and detail.o[1] or ''
  local event = '{"type":"job:claimed","tenant":' .. cjson.encode(lane.tenant) .. ',"queue":' .. cjson.encode(detail.q) .. ',"job":"' .. detail.i .. '","at":' .. text(now)
  if schedule ~= '' then event = event .. ',"schedule":' .. cjson.encode(schedule) end
  event = event .. ',"data":{"task":' .. cjson.encode(detail.k) .. ',"attempt":' .. text(attempt) .. ',"worker":"' .. worker .. '"'
  if recovered then event = event .. ',"recovered":true' end
  append(event .. '}}', lane.tenant, schedule, detail.i, false)
end
local taken, bytes = {}, 0
local untilText, nowText = text(now + leaseMs), text(now)
-- Takes jobs of one queue; whether the claim ends with them, as a job that may have crashed its worker comes alone.
local function take(one, room)
  local before = #taken / 2
  local queue = one.queue
  local picked, shares = pick(queue, starts - before, room)
  if #picked == 0 then return false end
  local seqs = {}
  for i, job in ipairs(picked) do seqs[i] = job[1] end
  local bases = getMany(P .. 'jobs', seqs)
  local lost
  local heads = {}
  for i, base in ipairs(bases) do
    heads[i] = base and string.find(base, '\\n', 1, true) or 0
    if base and lost == nil and string.byte(base, heads[i] - 1) == 108 then lost = i end
  end
  -- Behind the attempt overlays of one claim differ little.
  local lease = '|' .. claimId .. '|' .. untilText .. '|'
  local tails = {}
  local overlays, ends = {}, {}
  for i, job in ipairs(picked) do
    local seq, lane, base, head = job[1], job[2], bases[i], heads[i]
    local body = head > 0 and string.find(base, '\\n', head + 1, true)
    -- State, attempt and flags; those of a job that was never claimed are the same in most.
    local attempt, flags, state = '0', '-', 'p'
    if body and (string.sub(base, 1, 4) ~= '0,p,' or string.sub(base, head - 4, head - 1) ~= ',0,-') then
      state, attempt, flags = string.match(base, '^%d+,(%a),[^,]*,[^,]*,[^,]*,%d+,(%d+),([%a%-]*)\\n')
    end
    if not body or not state then
      -- A foreign hand has taken the job from under its number, or damaged it past reading: findings tell of it.
      call('ZREM', P .. 'r:' .. lane.lane, seq)
    else
      bytes = bytes + #base - body
      local count_ = #taken / 2
      if (lost and (i ~= lost or before > 0)) or (count_ > 0 and bytes > bytesMax) then
        lane.skipped = true
      else
        if flags ~= '-' then
          flags = (string.gsub(flags, 'l', ''))
          if flags == '' then flags = '-' end
        end
        local begins = count_ < starts and '1' or '0'
        local kind = lane.lane .. '|' .. flags .. '|' .. state
        local tail = tails[kind]
        if tail == nil then
          tail = '|' .. nowText .. '|' .. kind .. '|' .. worker
          tails[kind] = tail
        end
        overlays[#overlays + 1] = seq
        overlays[#overlays + 1] = (attempt == '0' and '1' or text(attempt + 1)) .. lease .. begins .. tail
        ends[#ends + 1] = untilText
        ends[#ends + 1] = seq
        taken[#taken + 1] = seq
        taken[#taken + 1] = base
        lane.taken = (lane.taken or 0) + 1
        lane.seqs = lane.seqs or {}
        lane.seqs[lane.taken] = seq
        if audits then
          local detail = string.sub(base, head + 1, string.find(base, '\\n', head + 1, true) - 1)
          local read, of = pcall(cjson.decode, detail)
          if read then appendClaim(lane, of, attempt + 1, lost ~= nil) end
        end
      end
    end
  end
  for _, lane in ipairs(shares) do
    if lane.taken and not lane.skipped then
      call('ZREMRANGEBYRANK', P .. 'r:' .. lane.lane, 0, lane.taken - 1)
    elseif lane.taken then
      callMany('ZREM', P .. 'r:' .. lane.lane, lane.seqs)
    end
  end
  callMany('HSET', P .. 'live', overlays, 2)
  callMany('ZADD', P .. 'a:' .. queue, ends, 2)
  local beside
  local claims = #taken / 2 - before
  for _, lane in ipairs(shares) do
    local got = lane.taken or 0
    local pass = lane.pass
    if got ~= lane.take then pass = lane.before + got / lane.weight end
    savePass(queue, lane.lane, pass)
    if call('EXISTS', P .. 'r:' .. lane.lane) == 1 then
      call('ZADD', P .. 's:' .. queue, text(pass), lane.lane)
    else
      call('ZREM', P .. 's:' .. queue, lane.lane)
    end
    if got > lane.starting then beside = math.max(beside or -math.huge, pass - 1 / lane.weight) end
    count(lane.lane, 'active', got)
    countTenant(lane.tenant, 'active', got)
  end
  if limitAny and beside then
    for _, tenant in ipairs(limitedIds()) do
      local ready, lane = readyOf(queue, tenant)
      if ready > 0 and (tonumber(call('ZSCORE', P .. 's:' .. queue, lane)) or 0) < beside then
        savePass(queue, lane, beside)
        call('ZADD', P .. 's:' .. queue, text(beside), lane)
      end
    end
  end
  if claims > 0 and type(one.record.rate) == 'table' then
    rateLeft(one)
    one.window = spendRate(one.record.rate, one.window, claims)
    call('HSET', P .. 'windows', queue, windowText(one.window))
  end
  if limitAny then
    for _, lane in ipairs(shares) do
      if (lane.taken or 0) > 0 then spendTenant(lane.tenant, lane.taken) end
    end
  end
  return lost and claims > 0
end`;

const looking = `
local nextDueAt
local function earlier(at)
  if at ~= nil and (nextDueAt == nil or at < nextDueAt) then nextDueAt = at end
end
local function lookAhead(one)
  local queue = one.queue
  local limit, regainAt = allowance(one)
  local _, recoverAt = rateLeft(one)
  recoverAt = recoverAt or 0
  local first = call('ZRANGE', P .. 'a:' .. queue, 0, 0, 'WITHSCORES')
  if first[1] then
    local tenant = tenantOfLease(first[1])
    if tenant == nil or tenantRegainAt(tenant) == nil then
      earlier(math.max(tonumber(first[2]), recoverAt))
    else
      local all = call('ZRANGE', P .. 'a:' .. queue, 0, -1, 'WITHSCORES')
      for i = 1, #all, 2 do
        local of = tenantOfLease(all[i])
        earlier(math.max(tonumber(all[i + 1]), recoverAt, of and tenantRegainAt(of) or 0))
      end
    end
  end
  local deferred = call('ZRANGE', P .. 'd:' .. queue, 0, 0, 'WITHSCORES')
  if deferred[2] then earlier(tonumber(deferred[2])) end
  local function claimable()
    if limit > 0 then earlier(now) else earlier(regainAt) end
  end
  if not limitAny then
    if call('EXISTS', P .. 's:' .. queue) == 1 then claimable() end
    return
  end
  for _, lane in ipairs(call('ZRANGE', P .. 's:' .. queue, 0, -1)) do
    local _, tenant = nameOfLane(lane)
    if not isLimitedTenant(tenant) or (starts > 0 and tenantRoom(tenant) > 0) then
      claimable()
    else
      earlier(tenantRegainAt(tenant))
    end
  end
end`;

/**
 * ARGV: now, claim id, worker, lease in ms, most jobs, how many start at once, most input bytes, 0 for the first call of a
 * claim, 1 for a repeat, 2 where the claim goes on, 1 to audit,
 * then per wanted queue its name and limit. Answers now, what it is, and:
 * "jobs": next due or "", 1 when slots are wanted, paused queues, limited queues, then number and base of each job;
 * "again": number, base and overlay of each job of the same claim; "recover": the same of the job whose lease has ended and
 * is to be claimed alone; "give-up": of the job whose place is wanted. With a limit of 0 it only looks.
 */
export const claimScript = script(
  "jobs.claim",
  "Gives each due job to exactly one worker (J2), in the order of J5, within the limits of queues and tenants (J12).",
  basis,
  epochHolds,
  events,
  signals,
  lanes,
  limits,
  waiting,
  wants,
  leases,
  sharing,
  taking,
  looking,
  `
if ARGV[8] == '1' then
  local answer = { nowText, 'again' }
  for seq in string.gmatch(call('GET', P .. 'c:' .. claimId) or '', '%d+') do
    local overlay = call('HGET', P .. 'live', seq)
    local token, by = string.match(overlay or '', '^[^|]*|([^|]*)|[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|(.*)$')
    if token == claimId and by == worker then
      answer[#answer + 1] = seq
      answer[#answer + 1] = call('HGET', P .. 'jobs', seq)
      answer[#answer + 1] = overlay
    end
  end
  if #answer > 2 then return answer end
elseif ARGV[8] == '0' and call('EXISTS', P .. 'c:' .. claimId) == 1 then
  -- Its repeat has been answered: nobody would hear of what it takes.
  return { nowText, 'jobs', '', 0, {}, {} }
end
-- A server whose memory is full lets nothing grow, if it is the first that a script does: what is there can be worked off.
call('DEL', P .. 'none')
if ARGV[8] == '1' then call('SET', P .. 'c:' .. claimId, '', 'PX', math.max(60000, math.ceil(2 * leaseMs))) end
for _, one in ipairs(open) do promote(one.queue, ${promotedMax}) end
local answer
if starts >= 1 and most >= 1 then
  for _, one in ipairs(open) do
    if answer == nil and one.limit >= 1 and rateLeft(one) >= 1 then
      local seq = expired(one.queue)
      if seq then answer = { nowText, 'recover', seq, call('HGET', P .. 'jobs', seq), call('HGET', P .. 'live', seq) } end
    end
  end
end
if answer == nil and most >= 1 then
  local wanting, any = wantingPlaces()
  if any then
    local seq, endedAt = firstLeaseOf(wanting)
    if seq and endedAt <= now - leaseMs then
      answer = { nowText, 'give-up', seq, call('HGET', P .. 'jobs', seq), call('HGET', P .. 'live', seq) }
    end
  end
end
if answer == nil then
  for _, one in ipairs(open) do
    local room = math.min(one.limit, most - #taken / 2, (allowance(one)))
    if room > 0 and take(one, room) then break end
  end
  local slotsWanted = 0
  for _, one in ipairs(open) do
    lookAhead(one)
    if limitAny and slotsWanted == 0 then
      for _, tenant in ipairs(limitedIds()) do
        if readyOf(one.queue, tenant) > 0 and tenantRoom(tenant) > 0 then slotsWanted = 1 end
      end
    end
  end
  local wanting, any = wantingPlaces()
  if any then
    local _, endsAt = firstLeaseOf(wanting)
    if endsAt then earlier(math.max(now, endsAt + leaseMs)) end
  end
  answer = { nowText, 'jobs', nextDueAt and text(nextDueAt) or '', slotsWanted, paused, limited }
  for i = 1, #taken do answer[6 + i] = taken[i] end
end
if #taken > 0 then
  local seqs = {}
  for i = 1, #taken, 2 do seqs[#seqs + 1] = taken[i] end
  call('SET', P .. 'c:' .. claimId, table.concat(seqs, ','), 'PX', math.max(60000, math.ceil(2 * leaseMs)))
end
countAll()
send()
return answer`,
);
