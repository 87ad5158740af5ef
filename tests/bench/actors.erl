#!/usr/bin/env escript
%% -*- erlang -*-
%%! +S 2:2 +P 4000000
%% actors.erl -- the programs of bench_actors.c in Erlang/OTP: escript actors.erl NAME AMOUNT
%% prints units of AMOUNT a second, the best of REPEATS ("idle": bytes of resident memory per process).
%% Each program has the shape of ours: the same actors, windows and messages.
-mode(compile).

-define(REPEATS, 4).
-define(WINDOW, 64).
-define(RING, 1000).
-define(SENDERS, 100).
-define(FAN, 10).

main(["version"]) ->
    io:format("OTP ~s, erts ~s~n", [erlang:system_info(otp_release), erlang:system_info(version)]);
main(["idle", Amount]) ->
    N = list_to_integer(Amount),
    Before = resident(),
    Pids = [spawn(fun idle/0) || _ <- lists:seq(1, N)],
    After = resident(),
    io:format("~.1f~n", [(After - Before) / N]),
    hd(Pids) ! stop;
main([Name, Amount]) ->
    N = list_to_integer(Amount),
    Rate = fun(_) -> {Us, ok} = timer:tc(fun() -> run(Name, N) end), N * 1000000 / Us end,
    io:format("~.1f~n", [lists:max(lists:map(Rate, lists:seq(1, ?REPEATS)))]).

run("ping_pong", N) -> ping_pong(N, [], []);
run("ping_pong_cross", N) -> ping_pong(N, [{scheduler, 1}], [{scheduler, 2}]);
run("counting", N) ->
    Self = self(),
    Counter = spawn(fun() -> count(N, 0, Self) end),
    Producer = spawn(fun() -> send_windows(N, Counter) end),
    Producer ! go,
    wait(1);
run("ring_1000", N) -> ring(N, 1);
run("ring_1000_100", N) -> ring(N, 100);
run("fan_in_100", N) ->
    Self = self(),
    Each = N div ?SENDERS,
    Counter = spawn(fun() -> count(Each * ?SENDERS, 0, Self) end),
    Senders = [spawn(fun() -> send_windows(Each, Counter) end) || _ <- lists:seq(1, ?SENDERS)],
    [S ! go || S <- Senders],
    wait(1);
run("spawn_100k", N) ->
    Self = self(),
    [spawn(fun() -> nurse(N div 2, N div 2, Self) end) ! go || _ <- [1, 2]],
    wait(2);
run("tree_1m", N) ->
    Self = self(),
    [spawn(fun() -> grow(N div ?FAN, Self) end) || _ <- lists:seq(1, ?FAN)],
    N = collect(?FAN, 0),
    ok.

wait(0) -> ok;
wait(N) -> receive over -> wait(N - 1) end.

ping_pong(N, OptionsA, OptionsB) ->
    Self = self(),
    A = spawn_opt(fun() -> receive {peer, P} -> pass_on(P, Self) end end, OptionsA),
    B = spawn_opt(fun() -> pass_on(A, Self) end, OptionsB),
    A ! {peer, B},
    A ! {token, N},
    wait(1).

pass_on(Peer, Boss) ->
    receive
        {token, 0} -> Boss ! over, pass_on(Peer, Boss);
        {token, N} -> Peer ! {token, N - 1}, pass_on(Peer, Boss)
    end.

ring(N, Tokens) ->
    Self = self(),
    First = spawn(fun() -> receive {peer, P} -> pass_on(P, Self) end end),
    Ring = lists:foldl(fun(_, [Next | _] = All) -> [spawn(fun() -> pass_on(Next, Self) end) | All] end,
                       [First], lists:seq(2, ?RING)),
    First ! {peer, hd(Ring)},
    Step = ?RING div Tokens,
    [lists:nth(I * Step + 1, Ring) ! {token, N div Tokens} || I <- lists:seq(0, Tokens - 1)],
    wait(Tokens).

count(0, _, Boss) -> Boss ! over;
count(N, Sum, Boss) ->
    receive
        {data, X} -> count(N - 1, Sum + X, Boss);
        {last, X, From} -> From ! go, count(N - 1, Sum + X, Boss)
    end.

send_windows(0, _) -> ok;
send_windows(N, To) ->
    receive go -> send_windows(send_window(1, N, To), To) end.

send_window(_, 0, _) -> 0;
send_window(?WINDOW, N, To) -> To ! {last, N, self()}, N - 1;
send_window(I, N, To) -> To ! {data, N}, send_window(I + 1, N - 1, To).

nurse(_, 0, Boss) -> Boss ! over;
nurse(Left, Missing, Boss) ->
    receive
        go ->
            Rest = bear(64, Left),
            case Rest of
                0 -> ok;
                _ -> self() ! go
            end,
            nurse(Rest, Missing, Boss);
        {answer, _} -> nurse(Left, Missing - 1, Boss)
    end.

bear(0, Left) -> Left;
bear(_, 0) -> 0;
bear(I, Left) ->
    spawn(fun() -> receive {data, X, From} -> From ! {answer, X} end end) ! {data, Left, self()},
    bear(I - 1, Left - 1).

grow(1, Boss) -> Boss ! {answer, 1};
grow(N, Boss) ->
    Self = self(),
    [spawn(fun() -> grow(N div ?FAN, Self) end) || _ <- lists:seq(1, ?FAN)],
    Boss ! {answer, collect(?FAN, 0)}.

collect(0, Sum) -> Sum;
collect(I, Sum) -> receive {answer, X} -> collect(I - 1, Sum + X) end.

idle() -> receive stop -> ok end.

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.
