// What a transfer does with what people have set up, and with the audit log.

/** Queues, tenants and schedules; names that nothing is left of are listed no more. */
export const settings = `
local function hasSchedules(tenant)
  return #call('ZRANGE', P .. 'scheduleNames', '[' .. tenant .. '\\n', '(' .. tenant .. '\\11', 'BYLEX', 'LIMIT', 0, 1) > 0
end
local function tidyQueue(queue)
  if call('HEXISTS', P .. 'queues', queue) == 1 or call('EXISTS', P .. 'lanesIn:' .. queue) == 1 then return end
  call('ZREM', P .. 'queueNames', queue)
end
local function tidyTenant(tenant)
  if call('HEXISTS', P .. 'tenants', tenant) == 1 or call('EXISTS', P .. 'lanesOf:' .. tenant) == 1 then return end
  if not hasSchedules(tenant) then call('ZREM', P .. 'tenantNames', tenant) end
end
local function saveWindow(hash, field, window)
  if window == '[]' then call('HDEL', P .. hash, field) else call('HSET', P .. hash, field, window) end
end
local function member(set, tenant, isIn) call(isIn and 'SADD' or 'SREM', P .. set, tenant) end
local function writeTenant(one)
  call('HSET', P .. 'tenants', one.n, rev .. '|' .. ARGV[one.D])
  call('ZADD', P .. 'tenantNames', 0, one.n)
  member('limited', one.n, one.limited)
  member('guarded', one.n, one.guarded)
  saveWindow('t:' .. one.n, 'window', ARGV[one.W])
  -- Where its lanes stand in the fair share is known once its jobs are there: they re-enter it as lanes that fill do.
  if one.limited then call('HSET', P .. 't:' .. one.n, 'passedOver', '1') else call('HDEL', P .. 't:' .. one.n, 'passedOver') end
end
local function isTicking(name)
  local stored = call('HGET', P .. 'schedules', name)
  if not stored then return 0 end
  local read, schedule = pcall(cjson.decode, string.sub(stored, (string.find(stored, '|', 1, true) or 0) + 1))
  if not read or type(schedule) ~= 'table' or type(schedule.cursor) ~= 'table' then return 0 end
  return schedule.enabled == true and type(schedule.cursor.nextAt) == 'number' and 1 or 0
end
local function removeSchedule(tenant, name)
  countTenant(tenant, 'schedules', -isTicking(name))
  call('HDEL', P .. 'schedules', name)
  call('ZREM', P .. 'scheduleNames', name)
  call('ZREM', P .. 'due', name)
end
local function writeSchedule(one)
  removeSchedule(one.t, one.n)
  call('HSET', P .. 'schedules', one.n, rev .. '|' .. ARGV[one.D])
  call('ZADD', P .. 'scheduleNames', 0, one.n)
  call('ZADD', P .. 'tenantNames', 0, one.t)
  if one.at then call('ZADD', P .. 'due', text(one.at), one.n) end
  countTenant(one.t, 'schedules', one.ticks)
end`;

/** A stream only grows at its end: what is written before it makes the entries behind it be written anew. */
export const history = `
local function lastEntry()
  local last = call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 1)
  return last[1] and last[1][1]
end
local function removeEvent(id)
  for _, entry in ipairs(call('XRANGE', P .. 'events', id, id)) do
    local read, event = pcall(cjson.decode, entry[2][2])
    if not read or type(event) ~= 'table' then event = {} end
    local function name(value) return type(value) == 'string' and value or '' end
    dropEvent(entry[1], name(event.tenant), name(event.schedule), name(event.job))
  end
end
local function writeEvents(list)
  local new, byId = {}, {}
  for _, one in ipairs(list) do
    local id = text(one.id)
    local stored = call('XRANGE', P .. 'events', id .. '-1', id .. '-1')
    if not stored[1] or stored[1][2][2] ~= ARGV[one.D] then
      removeEvent(id)
      byId[one.id] = ARGV[one.D]
      new[#new + 1] = one
    end
  end
  if #new == 0 then return end
  local ids = {}
  for id in pairs(byId) do ids[#ids + 1] = id end
  for _, entry in ipairs(call('XRANGE', P .. 'events', text(new[1].id), '+')) do
    local id = tonumber(string.match(entry[1], '^%d+'))
    byId[id] = entry[2][2]
    ids[#ids + 1] = id
    call('XDEL', P .. 'events', entry[1])
  end
  table.sort(ids)
  local last = lastEntry()
  if last then call('XSETID', P .. 'events', last) else call('DEL', P .. 'events') end
  for _, id in ipairs(ids) do call('XADD', P .. 'events', text(id) .. '-1', 'e', byId[id]) end
  for _, one in ipairs(new) do
    local id = text(one.id)
    call('ZADD', P .. 'e:t' .. one.t, id, id)
    if one.s ~= '' then call('ZADD', P .. 'e:s' .. one.t .. '\\n' .. one.s, id, id) end
    if one.j ~= '' then call('ZADD', P .. 'e:j' .. one.j, id, id) end
    if one.fired then call('HSET', P .. 'fired', one.j, id) end
  end
end
local function writeSequence(lastId)
  local last = tonumber(string.match(lastEntry() or '0', '^%d+'))
  if lastId == nil then lastId = tonumber(call('HGET', P .. 'meta', 'event')) or 0 end
  call('HSET', P .. 'meta', 'event', text(math.max(last, lastId)))
end`;
