-- One step of counters in Redis, of several subjects as a whole: what has ended is given back, what was used is counted, and
-- then either every subject grants what one call claims of it, or the first that can't says why and nobody grants anything.
-- The algorithm is that of crates/pool/src/counters.rs, where it is explained.
--
-- KEYS  1 the epoch: gone when Redis lost its memory, and then nothing is done until the new one is known; then four a
--       subject: 1 a hash, 2 calls by when they began, 3 permits by when they end by themselves, 4 ended calls by when they
--       are forgotten
-- ARGV  1 the moment ("" for Redis' own time), 2 the epoch that is known, 3 a JSON array: what to do for each subject
-- The hash has "month" and "spent"; "tokens" of the minute, "t:ID" of one call; windows by their names
-- ("start:amount:length"), "+NAME" what is held of one, "#ID" what a permit holds; "!wanted" when somebody was refused; and
-- "version", which grows with every step.
-- The answer is a word, which subject refused and until when; of the last subject whether somebody waits for what was given
-- back, its version, its permits, and name, window, what is held of every window that was touched.
local MINUTE, SLACK, REMEMBERED, KEPT, LARGEST = 60000, 3600000, 600000, 3456000000, 4503599627370496
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local epoch = redis.call('GET', KEYS[1]) or ''
if epoch == '' or epoch ~= ARGV[2] then return { 'lost', epoch } end

local function text(number) return string.format('%.0f', number) end
local function number(subject, field) return tonumber(redis.call('HGET', subject.hash, field) or '0') end
local function add(subject, field, amount)
    if amount ~= 0 then redis.call('HSET', subject.hash, field, text(number(subject, field) + amount)) end
end
local function window(subject, name)
    local held = redis.call('HGET', subject.hash, name) or ''
    local start, amount, length = string.match(held, '^(%-?%d+):(%d+):(%d+)$')
    if start and amount ~= '0' and tonumber(start) + tonumber(length) > now then
        return tonumber(start), tonumber(amount)
    end
    return now, 0
end

local function give_back(subject, id)
    if redis.call('ZREM', subject.permits, id) == 0 then return false end
    for name, amount in string.gmatch(redis.call('HGET', subject.hash, '#' .. id) or '', '(%S+)=(%d+)') do
        add(subject, '+' .. name, -tonumber(amount))
        subject.touched[name] = true
    end
    redis.call('HDEL', subject.hash, '#' .. id)
    subject.freed = true
    return true
end

local function trim(subject)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', subject.calls, '-inf', text(now - MINUTE))) do
        add(subject, 'tokens', -number(subject, 't:' .. id))
        redis.call('HDEL', subject.hash, 't:' .. id)
        redis.call('ZREM', subject.calls, id)
    end
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', subject.permits, '-inf', text(now))) do give_back(subject, id) end
    redis.call('ZREMRANGEBYSCORE', subject.ended, '-inf', text(now))
end

local function settle(subject, id, tokens, money)
    if redis.call('HEXISTS', subject.hash, 't:' .. id) == 1 then
        add(subject, 'tokens', tokens - number(subject, 't:' .. id))
        redis.call('HSET', subject.hash, 't:' .. id, text(tokens))
    end
    local known = give_back(subject, id)
    if not known and redis.call('ZSCORE', subject.ended, id) then return end
    local counts_money = redis.call('HEXISTS', subject.hash, 'month') == 1
    if counts_money then add(subject, 'spent', money) end
    if counts_money or not known then redis.call('ZADD', subject.ended, text(now + REMEMBERED), id) end
end

local function count(subject, name, more, length)
    local start, amount = window(subject, name)
    redis.call('HSET', subject.hash, name, text(start) .. ':' .. text(math.min(amount + more, LARGEST)) .. ':' .. text(length))
    subject.touched[name] = true
    if amount ~= 0 then return end
    -- A window begins, so that one that nobody asks for any more may be over.
    local all = redis.call('HGETALL', subject.hash)
    for i = 1, #all, 2 do
        local began, _, lasts = string.match(all[i + 1], '^(%-?%d+):(%d+):(%d+)$')
        if began and tonumber(began) + tonumber(lasts) + SLACK <= now then redis.call('HDEL', subject.hash, all[i]) end
    end
end

local function refusal_of_minute(subject, claim)
    if claim.requests then
        local calls = redis.call('ZCARD', subject.calls)
        if calls >= claim.requests then
            local place = calls - claim.requests
            local first = redis.call('ZRANGE', subject.calls, place, place, 'WITHSCORES')
            return 'requests', first[2] and text(tonumber(first[2]) + MINUTE)
        end
    end
    if claim.token_limit then
        local excess = number(subject, 'tokens') + math.min(claim.tokens or 0, claim.token_limit) - claim.token_limit
        if excess <= 0 then return end
        local calls = redis.call('ZRANGE', subject.calls, 0, -1, 'WITHSCORES')
        for i = 1, #calls, 2 do
            excess = excess - number(subject, 't:' .. calls[i])
            if excess <= 0 then return 'tokens', text(tonumber(calls[i + 1]) + MINUTE) end
        end
        return 'tokens'
    end
end

local function refusal(subject, claim)
    for _, part in ipairs(claim.parts) do subject.touched[part.name] = true end
    if redis.call('ZSCORE', subject.permits, claim.id) then return end
    if redis.call('ZSCORE', subject.ended, claim.id) then return 'ended' end
    if claim.was_granted then return end
    local word, moment = refusal_of_minute(subject, claim)
    if word then return word, moment end
    if claim.at_once and redis.call('ZCARD', subject.permits) >= claim.at_once then return 'concurrent' end
    if claim.budget then
        if redis.call('HGET', subject.hash, 'month') ~= claim.month then return 'month' end
        if number(subject, 'spent') + number(subject, '+money') + claim.money > claim.budget then return 'budget' end
    end
    for _, part in ipairs(claim.parts) do
        local _, used = window(subject, part.name)
        if used + number(subject, '+' .. part.name) >= part.limit then return 'spent' end
    end
end

local function grant(subject, claim)
    if redis.call('ZADD', subject.permits, 'NX', text(now + claim.life), claim.id) == 0 then return end
    if claim.tokens then
        local tokens = math.min(claim.tokens, claim.token_limit or claim.tokens)
        add(subject, 'tokens', tokens - number(subject, 't:' .. claim.id))
        redis.call('ZADD', subject.calls, text(now), claim.id)
        redis.call('HSET', subject.hash, 't:' .. claim.id, text(tokens))
    end
    local held = {}
    if claim.money > 0 then
        held[1] = 'money=' .. text(claim.money)
        add(subject, '+money', claim.money)
    end
    for _, part in ipairs(claim.parts) do
        add(subject, '+' .. part.name, part.amount)
        table.insert(held, part.name .. '=' .. text(part.amount))
    end
    redis.call('HSET', subject.hash, '#' .. claim.id, table.concat(held, ' '))
end

local subjects, answer = cjson.decode(ARGV[3]), { 'done', '', '' }
for place, subject in ipairs(subjects) do
    local first = 4 * place - 2
    subject.hash, subject.calls, subject.permits, subject.ended = unpack(KEYS, first, first + 3)
    subject.touched, subject.freed = {}, false
    trim(subject)
    for _, done in ipairs(subject.settled) do settle(subject, done.id, done.tokens, done.money) end
    for _, use in ipairs(subject.uses) do count(subject, use.name, use.amount, use.length) end
    if subject.month and redis.call('HGET', subject.hash, 'month') ~= subject.month then
        redis.call('HSET', subject.hash, 'month', subject.month, 'spent', text(subject.spent))
    end
end
for place, subject in ipairs(subjects) do
    local word, moment
    if subject.claim then word, moment = refusal(subject, subject.claim) end
    if word and answer[1] == 'done' then
        answer = { word, text(place - 1), moment or '' }
        redis.call('HSET', subject.hash, '!wanted', '1')
    end
end
for _, subject in ipairs(subjects) do
    if subject.claim and answer[1] == 'done' then grant(subject, subject.claim) end
    subject.version = math.max(number(subject, 'version') + 1, now * 1000)
    redis.call('HSET', subject.hash, 'version', text(subject.version))
    for _, key in ipairs({ subject.hash, subject.calls, subject.permits, subject.ended }) do redis.call('PEXPIRE', key, KEPT) end
end
local last = subjects[#subjects]
table.insert(answer, last.freed and redis.call('HDEL', last.hash, '!wanted') == 1 and '1' or '')
table.insert(answer, text(last.version))
table.insert(answer, text(redis.call('ZCARD', last.permits)))
for name in pairs(last.touched) do
    table.insert(answer, name)
    table.insert(answer, redis.call('HGET', last.hash, name) or '')
    table.insert(answer, redis.call('HGET', last.hash, '+' .. name) or '0')
end
return answer
