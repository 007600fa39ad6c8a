//! One thread that drives many clients: their sockets and timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::client::Client;
use crate::tally::Tally;

/// The longest time that a driver sleeps.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// How long a thread of receivers does not read its sockets once all are connected: a minimum, and a time per socket.
/// Nobody waits for them then: arrived packets have the kernel's time stamp, and waking up for every packet would cost
/// time of the machine that is measured. Real receivers are other machines.
const REST_MIN: Duration = Duration::from_millis(1);
const REST_EACH: Duration = Duration::from_micros(4);
/// A thread rests after nobody has joined for this long, so that joins are not delayed.
const SETTLE: Duration = Duration::from_millis(400);
/// Added to the niceness of a thread whose clients stand for other machines.
const PATIENCE: i32 = 10;
const WAKE: Token = Token(usize::MAX);

enum Order {
    Add(Box<Client>),
    Tally(Sender<Vec<Tally>>),
    Stop,
}

/// The handle of a driver's thread.
pub(crate) struct Driver {
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    /// Starts the thread. With `is_patient` other threads have priority over it.
    pub(crate) fn start(name: &str, is_patient: bool) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (orders, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                if is_patient {
                    // If this fails, the thread has normal priority, which only makes the latency look worse.
                    rustix::process::nice(PATIENCE).ok();
                }
                Loop::new(poll, inbox).run();
            })?;
        Ok(Self {
            orders,
            waker,
            thread: Some(thread),
        })
    }

    pub(crate) fn add(&self, client: Client) -> anyhow::Result<()> {
        self.order(Order::Add(Box::new(client)))
    }

    /// The counts of every client, in the order in which they were added. Counting starts again.
    pub(crate) fn tallies(&self) -> anyhow::Result<Vec<Tally>> {
        let (reply, tallies) = channel();
        self.order(Order::Tally(reply))?;
        tallies.recv().context("the driver has ended")
    }

    fn order(&self, order: Order) -> anyhow::Result<()> {
        self.orders
            .send(order)
            .ok()
            .context("the driver has ended")?;
        Ok(self.waker.wake()?)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.order(Order::Stop).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Loop {
    poll: Poll,
    inbox: Receiver<Order>,
    clients: Vec<Client>,
    is_alive: Vec<bool>,
    is_settled: bool,
    added_at: Instant,
    /// Deadlines. An entry is ignored if its client has moved the deadline.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

impl Loop {
    fn new(poll: Poll, inbox: Receiver<Order>) -> Self {
        Self {
            poll,
            inbox,
            clients: Vec::new(),
            is_alive: Vec::new(),
            is_settled: false,
            added_at: now(),
            timers: BinaryHeap::new(),
            buffer: vec![0; 2_048],
            control: nix::cmsg_space!(nix::sys::time::TimeSpec),
        }
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        loop {
            self.settle();
            let wait = if self.is_settled {
                Duration::ZERO
            } else {
                self.wait()
            };
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                return;
            }
            if !self.obey() {
                return;
            }
            if self.is_settled {
                (0..self.clients.len()).for_each(|index| self.turn(index, true));
            }
            for event in &events {
                if event.token() != WAKE {
                    self.turn(event.token().0, true);
                }
            }
            let at = now();
            while let Some(Reverse((due, index))) = self.timers.peek().copied()
                && due <= at
            {
                self.timers.pop();
                if self.clients[index].deadline == due {
                    self.turn(index, false);
                }
            }
        }
    }

    fn wait(&self) -> Duration {
        self.timers.peek().map_or(WAIT_MAX, |Reverse((at, _))| {
            at.saturating_duration_since(now()).min(WAIT_MAX)
        })
    }

    /// Rests if all it has to do is to receive, and lets sockets wake it only otherwise.
    #[allow(clippy::disallowed_methods)] // To let time pass is what it is for.
    fn settle(&mut self) {
        let all = self.clients.iter().zip(&self.is_alive);
        let mut living = all.filter(|(_, is_alive)| **is_alive);
        let is_alone = now() > self.added_at + SETTLE;
        let is_settled = is_alone && living.all(|(client, _)| client.is_receiving());
        if is_settled != self.is_settled {
            self.is_settled = is_settled;
            for (index, client) in self.clients.iter_mut().enumerate() {
                let (registry, token) = (self.poll.registry(), Token(index));
                // The newest socket is registered already. If this fails, its packets are not received, which shows
                // as loss.
                let _ = if is_settled {
                    registry.deregister(&mut client.socket)
                } else {
                    registry.register(&mut client.socket, token, Interest::READABLE)
                };
            }
        }
        if is_settled {
            std::thread::sleep(REST_MIN.max(REST_EACH * self.clients.len() as u32));
        }
    }

    fn obey(&mut self) -> bool {
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                Order::Add(client) => self.add(*client),
                Order::Tally(reply) => {
                    reply
                        .send(self.clients.iter_mut().map(Client::take_tally).collect())
                        .ok();
                }
                Order::Stop => return false,
            }
        }
        true
    }

    fn add(&mut self, mut client: Client) {
        let index = self.clients.len();
        let registered = self
            .poll
            .registry()
            .register(&mut client.socket, Token(index), Interest::READABLE)
            .is_ok();
        self.added_at = now();
        self.clients.push(client);
        self.is_alive.push(registered);
        self.turn(index, false);
    }

    fn turn(&mut self, index: usize, is_readable: bool) {
        if !self.is_alive.get(index).is_some_and(|alive| *alive) {
            return;
        }
        let client = &mut self.clients[index];
        let before = client.deadline;
        let at = now();
        let goes_on = match is_readable {
            true => client.on_readable(at, &mut self.buffer, &mut self.control),
            false => client.on_time(at),
        };
        if !goes_on {
            self.is_alive[index] = false;
            return;
        }
        if client.deadline != before || !is_readable {
            // Not immediately again, whatever the engine says.
            client.deadline = client.deadline.max(at + Duration::from_micros(50));
            self.timers.push(Reverse((client.deadline, index)));
        }
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
