# start what is configured, agents last, and enable all for the next boot
set -e
timeout 120 sh -c "until ip -o addr show dev host0 | grep -q ' {{ vip }}/'; do sleep 0.1; done"
systemctl start haproxy {{ units.apis }}
{% if "horizon" in services %}
# it makes its secret key when it is opened the first time; a cloud with users has one
curl -sfLo /dev/null --retry 20 --retry-all-errors http://{{ vip }}/horizon/auth/login/ &
{% endif %}
{% if units.workers %}
systemctl start --no-block {{ units.workers | replace("nova-scheduler nova-conductor", "") }}
# nova's workers give up when these two do not answer
for port in 5000/v3 8778; do
  timeout 300 sh -c "until curl -sfo /dev/null http://{{ vip }}:$port; do sleep 0.2; done"
done
# on a busy machine one may still give up for another reason; systemd has begun it again by then
systemctl start {{ units.workers }} || { sleep 10; systemctl start {{ units.workers }}; }
{% endif %}
systemctl enable -q haproxy {{ units.apis }} {{ units.workers }} {{ units.agents }} 2>/dev/null
{% if units.agents %}
# an agent whose first call finds no RPC server waits 60 s, and then backs off for as long again
# asked once: a start of rabbitmqctl for each look takes more of two cores than the services do
rabbitmqctl -q eval '
Listens = fun() -> [] =/= [N || VHost <- rabbit_vhost:list_names(),
  [{name, Queue}, {consumers, N}] <- rabbit_amqqueue:info_all(VHost, [name, consumers]),
  N > 0, element(4, Queue) =:= <<"q-l3-plugin">>] end,
Wait = fun Again(Left) -> case Listens() of
  false when Left > 0 -> timer:sleep(200), Again(Left - 1);
  Found -> Found end end,
Wait(1500).' >/dev/null
systemctl start {{ units.agents }}
{% endif %}
wait # for the dashboard
