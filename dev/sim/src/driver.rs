//! One thread that drives many clients: their sockets and their timers.

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

/// The longest a driver sleeps.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// How long a thread of receivers leaves its sockets alone when all are connected, at least and per socket. Nobody waits
/// for them then: what has come has the kernel's time stamp, and being told of every packet would be the sender's work.
/// Elsewhere it is another machine's.
const REST_MIN: Duration = Duration::from_millis(1);
const REST_EACH: Duration = Duration::from_micros(4);
/// How long nobody has joined when it begins to rest, so that joining is not delayed.
const SETTLE: Duration = Duration::from_millis(400);
/// What is added to the niceness of a thread that stands for other machines.
const PATIENCE: i32 = 10;
const WAKE: Token = Token(usize::MAX);

enum Order {
    Add(Box<Client>),
    Tally(Sender<Vec<Tally>>),
    Stop,
}

/// The outside of a driver's thread.
pub(crate) struct Driver {
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    /// With `is_patient` its thread leaves the processor to whoever else wants it.
    pub(crate) fn start(name: &str, is_patient: bool) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (orders, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                if is_patient {
                    // Otherwise it runs like everybody else, which only makes latency look worse.
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

    /// What each client counted, in the order they were added; counting starts anew.
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
    /// Deadlines; one that its client has moved is passed over.
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

    /// Rests when there is nothing to do but receive, and sees to it that sockets tell of packets only otherwise.
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
                // The newest is registered already; what fails here fails to be heard, which shows as loss.
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
            // Never at once again, whatever the engine says.
            client.deadline = client.deadline.max(at + Duration::from_micros(50));
            self.timers.push(Reverse((client.deadline, index)));
        }
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
