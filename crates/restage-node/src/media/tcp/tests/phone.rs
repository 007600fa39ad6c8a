//! A client of the relay, over UDP or a connection.

use std::net::SocketAddr;

use restage_stun::attribute::{
    CHANNEL_NUMBER, DATA, ERROR_CODE, LIFETIME, NONCE, REALM, REQUESTED_TRANSPORT, XOR_PEER_ADDRESS,
};
use restage_turn::{Frame, frame};
use tokio::net::UdpSocket;

use super::*;

/// How a client reaches the relay.
pub(super) enum Wire {
    Udp(UdpSocket),
    /// With what was read and not used.
    Connection(DuplexStream, Vec<u8>),
}

pub(super) struct Phone {
    pub(super) wire: Wire,
    credential: RelayCredential,
    nonce: Vec<u8>,
    sent: u8,
}

/// A datagram as a frame of a connection for ICE.
pub(super) fn framed(datagram: &[u8]) -> Vec<u8> {
    [&(datagram.len() as u16).to_be_bytes(), datagram].concat()
}

/// The next frame of a connection for ICE.
pub(super) async fn unframed(client: &mut DuplexStream) -> Vec<u8> {
    let mut datagram = vec![0; client.read_u16().await.unwrap().into()];
    client.read_exact(&mut datagram).await.unwrap();
    datagram
}

impl Wire {
    pub(super) async fn udp(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server).await.unwrap();
        Self::Udp(socket)
    }

    async fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Udp(socket) => drop(socket.send(bytes).await.unwrap()),
            Self::Connection(stream, _) => stream.write_all(bytes).await.unwrap(),
        }
    }

    async fn read(&mut self) -> Vec<u8> {
        match self {
            Self::Udp(socket) => {
                let mut datagram = vec![0; 2_000];
                let length = socket.recv(&mut datagram).await.unwrap();
                datagram.truncate(length);
                datagram
            }
            Self::Connection(stream, read) => loop {
                if let Frame::Whole(length) = frame(read) {
                    let rest = read.split_off(length);
                    return std::mem::replace(read, rest);
                }
                assert!(
                    stream.read_buf(read).await.unwrap() > 0,
                    "the connection has ended"
                );
            },
        }
    }
}

impl Phone {
    pub(super) fn new(wire: Wire, credential: RelayCredential) -> Self {
        Self {
            wire,
            credential,
            nonce: Vec::new(),
            sent: 0,
        }
    }

    /// Sends a request until it is not challenged with a new nonce; the attributes are pushed anew each time.
    async fn ask(&mut self, method: u16, push: impl Fn(&mut Writer)) -> Result<Vec<u8>, u16> {
        loop {
            self.sent += 1;
            let mut id = *b"transaction.";
            id[11] = self.sent;
            let mut request = Writer::new(Class::Request, method, &id);
            push(&mut request);
            let bytes = if self.nonce.is_empty() {
                request.finish()
            } else {
                request.push(USERNAME, self.credential.username.as_bytes());
                request.push(REALM, restage_turn::REALM.as_bytes());
                request.push(NONCE, &self.nonce);
                request.finish_signed(&self.credential.key())
            };
            self.wire.write(&bytes).await;
            let answer = within("an answer of the relay", self.wire.read()).await;
            let message = Message::parse(&answer).unwrap();
            assert_eq!((message.method(), message.transaction()), (method, &id));
            let Some(error) = message.get(ERROR_CODE) else {
                return Ok(answer);
            };
            let code = u16::from(error[2]) * 100 + u16::from(error[3]);
            match message.get(NONCE) {
                Some(nonce) if *nonce != *self.nonce => self.nonce = nonce.to_vec(),
                _ => return Err(code),
            }
        }
    }

    pub(super) async fn allocate(&mut self) -> Result<SocketAddr, u16> {
        let push = |request: &mut Writer| {
            request.push(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        };
        let answer = self.ask(method::ALLOCATE, push).await?;
        let message = Message::parse(&answer).unwrap();
        let relayed = message.get(XOR_RELAYED_ADDRESS).unwrap();
        Ok(read_xor_address(relayed, message.transaction()).unwrap())
    }

    pub(super) async fn refresh(&mut self, seconds: u32) -> Result<(), u16> {
        let push = |request: &mut Writer| {
            request.push(LIFETIME, &seconds.to_be_bytes());
        };
        self.ask(method::REFRESH, push).await.map(drop)
    }

    pub(super) async fn permit(&mut self, peer: SocketAddr) -> Result<(), u16> {
        let push = |request: &mut Writer| {
            request.push_address(XOR_PEER_ADDRESS, peer);
        };
        self.ask(method::CREATE_PERMISSION, push).await.map(drop)
    }

    pub(super) async fn bind(&mut self, channel: u16, peer: SocketAddr) -> Result<(), u16> {
        let push = |request: &mut Writer| {
            let number = [&channel.to_be_bytes()[..], &[0, 0]].concat();
            request.push(CHANNEL_NUMBER, &number);
            request.push_address(XOR_PEER_ADDRESS, peer);
        };
        self.ask(method::CHANNEL_BIND, push).await.map(drop)
    }

    pub(super) async fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut send = Writer::new(Class::Indication, method::SEND, b"twelve bytes");
        send.push_address(XOR_PEER_ADDRESS, peer);
        send.push(DATA, payload);
        self.wire.write(&send.finish()).await;
    }

    pub(super) async fn send_by_channel(&mut self, channel: u16, payload: &[u8]) {
        let length = payload.len() as u16;
        let mut message = [&channel.to_be_bytes()[..], &length.to_be_bytes(), payload].concat();
        message.resize(message.len().next_multiple_of(4), 0);
        self.wire.write(&message).await;
    }

    /// What a peer sends: from whom, or nothing if it comes by a channel.
    pub(super) async fn receive(&mut self) -> (Option<SocketAddr>, Vec<u8>) {
        let bytes = self.wire.read().await;
        let Some(message) = Message::parse(&bytes) else {
            let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            return (None, bytes[4..4 + length].to_vec());
        };
        let peer = message.get(XOR_PEER_ADDRESS).unwrap();
        let peer = read_xor_address(peer, message.transaction());
        (peer, message.get(DATA).unwrap().to_vec())
    }

    /// Waits until the server has closed the connection.
    pub(super) async fn closed(self) {
        match self.wire {
            Wire::Connection(stream, _) => closed(stream).await,
            Wire::Udp(_) => panic!("only connections are closed"),
        }
    }
}
