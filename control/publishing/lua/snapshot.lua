-- Points a feed's head at a snapshot, or a catalogue, whose chunks and manifest are already stored.
-- KEYS 1 head (hash)
-- ARGV 1 epoch, 2 seq of the snapshot, 3 the field that names it: snap or cat
-- Answers {code, head epoch, head seq}: 1 done, 0 the head already points at this or a newer one, -2 the head has
--      another epoch, -4 no head.
local head = redis.call('HMGET', KEYS[1], 'e', 's', ARGV[3])
if not head[1] then
  return {-4, 0, 0}
end
local head_epoch, head_seq = tonumber(head[1]), tonumber(head[2])
if tonumber(ARGV[1]) ~= head_epoch then
  return {-2, head_epoch, head_seq}
end
if head[3] and tonumber(head[3]) >= tonumber(ARGV[2]) then
  return {0, head_epoch, head_seq}
end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[2])
return {1, head_epoch, head_seq}
