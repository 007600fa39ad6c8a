//! GSO batches ("trains"): consecutive datagrams for one destination form a train, and several trains are sent in one
//! call.

use std::net::{IpAddr, SocketAddr};

use super::udp::{Headers, Socket, TRAIN_LEN_MAX, Train};

/// Trains sent in one system call, and their bytes. With more, their contents would have left the cache in which they
/// were written.
const BATCH_TRAINS_MAX: usize = 32;
const BATCH_LEN_MAX: usize = 64 * 1024;

/// Collects datagrams and trains until a system call is worthwhile.
pub(super) struct Trains {
    /// Single datagrams for one destination, to which another may be added.
    open: Option<Train>,
    /// Trains from one local address, all with the same segment size, or all of a single datagram.
    batch: Vec<Train>,
    batch_len: usize,
    headers: Headers,
    /// Buffers whose contents were sent.
    spent: Vec<Vec<u8>>,
    /// Datagrams handed to the kernel.
    pub(super) sent: u64,
    /// Datagrams that the kernel had no room for.
    pub(super) dropped: u64,
}

impl Trains {
    pub(super) fn new() -> Self {
        Self {
            open: None,
            batch: Vec::with_capacity(BATCH_TRAINS_MAX),
            batch_len: 0,
            headers: Headers::new(BATCH_TRAINS_MAX),
            spent: Vec::new(),
            sent: 0,
            dropped: 0,
        }
    }

    /// Adds a single datagram.
    pub(super) fn push(
        &mut self,
        socket: &Socket,
        from: Option<IpAddr>,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        if let Some(train) = &mut self.open
            && train.destination == destination
            && train.from == from
            // Only the last datagram of a train may be shorter.
            && train.contents.len().is_multiple_of(train.segment)
            && payload.len() <= train.segment
            && train.contents.len() / train.segment < socket.segments_max()
            && train.contents.len() + payload.len() <= TRAIN_LEN_MAX
        {
            train.contents.extend_from_slice(payload);
            return;
        }
        self.close(socket);
        let mut contents = self.spent.pop().unwrap_or_default();
        contents.clear();
        contents.extend_from_slice(payload);
        self.open = Some(Train {
            from,
            destination,
            contents,
            segment: payload.len().max(1),
        });
    }

    /// Adds a complete train.
    pub(super) fn send(&mut self, socket: &Socket, train: Train) {
        self.close(socket);
        self.add(socket, train);
    }

    /// Sends everything.
    pub(super) fn flush(&mut self, socket: &Socket) {
        self.close(socket);
        self.leave(socket);
    }

    /// An empty buffer that can be filled again.
    pub(super) fn spent(&mut self) -> Option<Vec<u8>> {
        self.spent.pop()
    }

    fn close(&mut self, socket: &Socket) {
        if let Some(train) = self.open.take() {
            self.add(socket, train);
        }
    }

    fn add(&mut self, socket: &Socket, train: Train) {
        let is_alike = self.batch.first().is_none_or(|first| {
            first.from == train.from
                && first.is_single() == train.is_single()
                && (train.is_single() || first.segment == train.segment)
        });
        if !is_alike {
            self.leave(socket);
        }
        self.batch_len += train.contents.len();
        self.batch.push(train);
        if self.batch.len() == BATCH_TRAINS_MAX || self.batch_len >= BATCH_LEN_MAX {
            self.leave(socket);
        }
    }

    fn leave(&mut self, socket: &Socket) {
        let mut left = 0;
        while left < self.batch.len() {
            let rest = &self.batch[left..];
            let fits = rest[0].count() <= socket.segments_max() as u64;
            let taken = if fits && (rest.len() > 1 || rest[0].from.is_some()) {
                socket.send_many(&mut self.headers, rest)
            } else {
                0
            };
            self.sent += rest[..taken].iter().map(Train::count).sum::<u64>();
            left += taken;
            // Sent alone, the train either succeeds or its error becomes visible.
            if left < self.batch.len() {
                self.leave_alone(socket, left);
                left += 1;
            }
        }
        self.spent
            .extend(self.batch.drain(..).map(|train| train.contents));
        self.batch_len = 0;
    }

    fn leave_alone(&mut self, socket: &Socket, place: usize) {
        let train = &self.batch[place];
        // A kernel without GSO takes one datagram at a time.
        let taken = socket.segments_max().min(TRAIN_LEN_MAX / train.segment);
        for contents in train.contents.chunks(train.segment * taken.max(1)) {
            let count = contents.len().div_ceil(train.segment) as u64;
            if socket.send(train.from, train.destination, contents, train.segment) {
                self.sent += count;
            } else {
                self.dropped += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::media::{Audience, MediaPlaces};

    fn loopback() -> Socket {
        let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        Socket::bind(&places, 0).unwrap()
    }

    fn address(socket: &Socket) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], socket.port()))
    }

    /// First byte and length of the expected number of datagrams.
    #[allow(clippy::disallowed_methods)]
    fn received(receiver: &mut Socket, count: usize) -> Vec<(u8, usize)> {
        let to = address(receiver);
        let mut got = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(5);
        while got.len() < count && Instant::now() < deadline {
            receiver
                .receive(Instant::now(), |datagram| {
                    assert_eq!(datagram.destination, to);
                    got.push((datagram.payload[0], datagram.payload.len()));
                })
                .unwrap();
        }
        got
    }

    #[test]
    fn trains_arrive_as_the_datagrams_they_were() {
        let sender = loopback();
        let mut receiver = loopback();
        let sizes = [900, 900, 900, 500, 900, 901, 40];
        let mut trains = Trains::new();
        for (number, size) in sizes.iter().enumerate() {
            trains.push(
                &sender,
                None,
                address(&receiver),
                &vec![number as u8; *size],
            );
        }
        trains.flush(&sender);
        assert_eq!(trains.sent, sizes.len() as u64);
        let expected: Vec<_> = (0..).zip(sizes).collect();
        assert_eq!(received(&mut receiver, sizes.len()), expected);
    }

    #[test]
    fn trains_for_many_leave_together_and_arrive_where_they_should() {
        let sender = loopback();
        let mut receivers: Vec<_> = (0..5).map(|_| loopback()).collect();
        let mut trains = Trains::new();
        // Equal segments, another segment size, single datagrams, and more than fit one call.
        let rounds = [(300, 900), (300, 700), (100, 100)].repeat(BATCH_TRAINS_MAX);
        for (round, (segment, length)) in rounds.iter().enumerate() {
            for receiver in &receivers {
                let train = Train {
                    from: None,
                    destination: address(receiver),
                    contents: vec![round as u8; *length],
                    segment: *segment,
                };
                trains.send(&sender, train);
            }
        }
        trains.flush(&sender);
        let expected: Vec<_> = (0_u8..)
            .zip(&rounds)
            .flat_map(|(round, (segment, length))| {
                let whole = vec![(round, *segment); length / segment];
                let rest = (length % segment > 0).then_some((round, length % segment));
                whole.into_iter().chain(rest)
            })
            .collect();
        for receiver in &mut receivers {
            assert_eq!(received(receiver, expected.len()), expected);
        }
        assert_eq!(trains.sent, 5 * expected.len() as u64);
        assert_eq!(trains.dropped, 0);
        assert!(trains.spent().is_some());
    }

    /// A socket bound to all addresses answers from the address that was used: a client that is connected to that one
    /// receives nothing from another.
    #[test]
    fn answers_come_from_the_address_that_was_asked() {
        let ips = |texts: [&str; 2]| texts.map(|text| text.parse().unwrap()).to_vec();
        for offered in [ips(["127.0.0.1", "127.0.0.2"]), ips(["127.0.0.1", "::1"])] {
            let places = MediaPlaces {
                addresses: offered.clone(),
                audience: Audience::ThisMachine,
            };
            let server = Socket::bind(&places, 0).unwrap();
            let asked = SocketAddr::from(([127, 0, 0, 2], server.port()));
            let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect(asked).unwrap();
            client
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let destination = client.local_addr().unwrap();
            let from = server.answers_from(asked, destination);
            assert_eq!(from, Some(asked.ip()), "{offered:?}");
            let mut trains = Trains::new();
            // Alone, as a train, and several in one call.
            trains.push(&server, from, destination, &[1; 60]);
            trains.flush(&server);
            for number in [2, 3] {
                let train = Train {
                    from,
                    destination,
                    contents: vec![number; 100],
                    segment: 60,
                };
                trains.send(&server, train);
            }
            trains.flush(&server);
            let mut buffer = [0; 100];
            let got: Vec<(u8, usize)> = (0..5)
                .map(|_| {
                    client
                        .recv(&mut buffer)
                        .map(|length| (buffer[0], length))
                        .unwrap()
                })
                .collect();
            assert_eq!(
                got,
                [(1, 60), (2, 60), (2, 40), (3, 60), (3, 40)],
                "{offered:?}"
            );
            assert_eq!((trains.sent, trains.dropped), (5, 0));
            // A loopback peer, and an address that is not this machine's.
            assert_eq!(server.answers_from(asked, asked), None);
            let outer = SocketAddr::from(([203, 0, 113, 7], server.port()));
            assert_eq!(server.answers_from(outer, destination), None);
        }
    }

    #[test]
    fn what_cannot_leave_is_dropped_and_the_rest_goes_on() {
        let sender = loopback();
        let mut receiver = loopback();
        let mut trains = Trains::new();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        for (number, destination) in [
            (1, address(&receiver)),
            (2, nowhere),
            (3, address(&receiver)),
        ] {
            let contents = vec![number; 50];
            trains.send(
                &sender,
                Train {
                    from: None,
                    destination,
                    contents,
                    segment: 50,
                },
            );
        }
        trains.flush(&sender);
        assert_eq!((trains.sent, trains.dropped), (2, 1));
        assert_eq!(received(&mut receiver, 2), [(1, 50), (3, 50)]);
    }
}
