//! actors.rs -- the programs of bench_actors.c with Tokio: actors-tokio NAME AMOUNT
//! prints units of AMOUNT a second, the best of REPEATS ("idle": bytes of resident memory per task
//! with its channel).
//!
//! An actor is a task that owns the receiving end of a channel.  Each program has the shape of ours:
//! the same actors, windows and messages.  The channels are unbounded, which is their quicker kind;
//! what is under way is bounded by the windows.  ping_pong_cross gives each of its two tasks a
//! runtime of its own on a thread of its own; all others run on the scheduler with two threads.

use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

const REPEATS: usize = 4;
const CORES: usize = 2;
const WINDOW: i64 = 64;
const RING: usize = 1000;
const SENDERS: i64 = 100;
const FAN: i64 = 10;
const CHUNK: i64 = 64; // tasks begun in one go

type Inbox<T> = UnboundedReceiver<T>;
type Address<T> = UnboundedSender<T>;

fn tell<T>(to: &Address<T>, message: T) {
    let _ = to.send(message); // whoever has ended needs it no more
}

async fn pass_on(mut inbox: Inbox<i64>, peer: Address<i64>, over: Address<i64>) {
    while let Some(n) = inbox.recv().await {
        if n == 0 {
            tell(&over, 0);
        } else {
            tell(&peer, n - 1);
        }
    }
}

async fn wait(mut over: Inbox<i64>, times: usize) {
    for _ in 0..times {
        over.recv().await;
    }
}

async fn ping_pong(n: i64) {
    let (a, a_inbox) = unbounded_channel();
    let (b, b_inbox) = unbounded_channel();
    let (over, ended) = unbounded_channel();
    tokio::spawn(pass_on(a_inbox, b, over.clone()));
    tokio::spawn(pass_on(b_inbox, a.clone(), over));
    tell(&a, n);
    wait(ended, 1).await;
}

fn ping_pong_cross(n: i64) {
    let (a, a_inbox) = unbounded_channel();
    let (b, b_inbox) = unbounded_channel();
    let (over, ended) = unbounded_channel();
    for (inbox, peer) in vec![(a_inbox, b), (b_inbox, a.clone())] {
        let over = over.clone();
        std::thread::spawn(move || alone().block_on(pass_on(inbox, peer, over)));
    }
    tell(&a, n);
    alone().block_on(wait(ended, 1));
}

async fn ring_of(n: i64, tokens: usize) {
    let (over, ended) = unbounded_channel();
    let mut addresses = Vec::new();
    let mut inboxes = Vec::new();
    for _ in 0..RING {
        let (address, inbox) = unbounded_channel();
        addresses.push(address);
        inboxes.push(inbox);
    }
    for (i, inbox) in inboxes.into_iter().enumerate() {
        tokio::spawn(pass_on(inbox, addresses[(i + 1) % RING].clone(), over.clone()));
    }
    for i in 0..tokens {
        tell(&addresses[i * RING / tokens], n / tokens as i64);
    }
    wait(ended, tokens).await;
}

enum Data {
    Number(i64),
    Last(i64, Address<()>),
}

async fn count(mut inbox: Inbox<Data>, n: i64, over: Address<i64>) {
    let mut sum = 0i64;
    for _ in 0..n {
        match inbox.recv().await {
            Some(Data::Number(x)) => sum = sum.wrapping_add(x),
            Some(Data::Last(x, from)) => {
                sum = sum.wrapping_add(x);
                tell(&from, ());
            }
            None => break,
        }
    }
    tell(&over, sum);
}

async fn send_windows(mut n: i64, to: Address<Data>) {
    let (me, mut inbox) = unbounded_channel();
    while n > 0 {
        for i in 1..=WINDOW.min(n) {
            if i == WINDOW {
                tell(&to, Data::Last(n, me.clone()));
            } else {
                tell(&to, Data::Number(n));
            }
            n -= 1;
        }
        if n > 0 {
            inbox.recv().await;
        }
    }
}

async fn fan_in(n: i64, senders: i64) {
    let (over, ended) = unbounded_channel();
    let (to, inbox) = unbounded_channel();
    let each = n / senders;
    tokio::spawn(count(inbox, each * senders, over));
    for _ in 0..senders {
        tokio::spawn(send_windows(each, to.clone()));
    }
    wait(ended, 1).await;
}

struct Question {
    number: i64,
    from: Address<i64>,
}

async fn infant(mut inbox: Inbox<Question>) {
    if let Some(asked) = inbox.recv().await {
        tell(&asked.from, i64::from(asked.number > 0));
    }
}

async fn nurse(mut n: i64, over: Address<i64>) {
    let (me, mut inbox) = unbounded_channel();
    let mut missing = n;
    while n > 0 {
        for _ in 0..CHUNK.min(n) {
            let (child, child_inbox) = unbounded_channel();
            tokio::spawn(infant(child_inbox));
            tell(&child, Question { number: n, from: me.clone() });
            n -= 1;
        }
        while let Ok(answer) = inbox.try_recv() {
            missing -= answer;
        }
        tokio::task::yield_now().await;
    }
    while missing > 0 {
        missing -= inbox.recv().await.unwrap_or(missing);
    }
    tell(&over, 0);
}

async fn spawn(n: i64) {
    let (over, ended) = unbounded_channel();
    for _ in 0..CORES {
        tokio::spawn(nurse(n / CORES as i64, over.clone()));
    }
    wait(ended, CORES).await;
}

fn grow(n: i64, boss: Address<i64>) {
    tokio::spawn(async move {
        if n == 1 {
            tell(&boss, 1);
            return;
        }
        let (me, mut inbox) = unbounded_channel();
        for _ in 0..FAN {
            grow(n / FAN, me.clone());
        }
        let mut sum = 0;
        for _ in 0..FAN {
            sum += inbox.recv().await.unwrap_or(0);
        }
        tell(&boss, sum);
    });
}

async fn tree(n: i64) {
    let (me, mut inbox) = unbounded_channel();
    grow(n, me);
    assert_eq!(inbox.recv().await, Some(n), "the tree does not have the leaves that it should");
}

fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: i64 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("pages");
    pages * 4096
}

async fn idle(n: i64) -> f64 {
    let (over, _ended) = unbounded_channel();
    let mut addresses = Vec::with_capacity(n as usize);
    let before = resident();
    for _ in 0..n {
        let (address, inbox) = unbounded_channel();
        tokio::spawn(pass_on(inbox, address.clone(), over.clone()));
        addresses.push(address);
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await; // each has begun to wait
    (resident() - before) as f64 / n as f64
}

fn alone() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime of one thread")
}

fn shared() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(CORES).enable_time().build().expect("a runtime of two threads")
}

fn run(runtime: &Runtime, name: &str, n: i64) -> bool {
    match name {
        "ping_pong" => runtime.block_on(ping_pong(n)),
        "ping_pong_cross" => ping_pong_cross(n),
        "counting" => runtime.block_on(fan_in(n, 1)),
        "ring_1000" => runtime.block_on(ring_of(n, 1)),
        "ring_1000_100" => runtime.block_on(ring_of(n, 100)),
        "fan_in_100" => runtime.block_on(fan_in(n, SENDERS)),
        "spawn_100k" => runtime.block_on(spawn(n)),
        "tree_1m" => runtime.block_on(tree(n)),
        _ => return false,
    }
    true
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if words.len() != 3 {
        eprintln!("usage: actors-tokio NAME AMOUNT");
        std::process::exit(2);
    }
    let n: i64 = words[2].parse().expect("AMOUNT is a whole number");
    let runtime = shared();
    if words[1] == "idle" {
        let bytes = runtime.block_on(async move { tokio::spawn(idle(n)).await.expect("idle") });
        println!("{:.1}", bytes);
        std::process::exit(0); // without taking a million tasks apart
    }
    let mut best = 0.0;
    for _ in 0..REPEATS {
        let began = Instant::now();
        if !run(&runtime, &words[1], n) {
            eprintln!("there is no program {}", words[1]);
            std::process::exit(2);
        }
        best = f64::max(best, n as f64 / began.elapsed().as_secs_f64());
    }
    println!("{:.1}", best);
    std::process::exit(0);
}
