//! Takes one participant of a stage and publishes it into another, frame by frame.
//!
//! `cargo run --example forward -- <token of the one> <participant id> <token of the other>`
//!
//! Participant replication does this inside the server at no cost. This is for stages of different
//! servers or accounts.

use restage_client::{
    Codec, ParticipantToken, PublishConfig, Publisher, SubscribeConfig, Subscriber,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, participant_id, to] = arguments.as_slice() else {
        return Err("give a token, a participant id and another token".into());
    };
    let mut wanted = SubscribeConfig::default();
    wanted.codecs = vec![Codec::H264, Codec::Opus];
    let from = ParticipantToken::decode(from)?;
    let mut subscriber = Subscriber::join(&from, participant_id, wanted).await?;
    let to = ParticipantToken::decode(to)?;
    let mut publisher = Publisher::join(&to, PublishConfig::default()).await?;

    loop {
        tokio::select! {
            received = subscriber.frame() => match received {
                Some(received) => publisher.write(received.frame).await?,
                None => break,
            },
            () = publisher.key_frame_requested() => subscriber.request_key_frame().await?,
        }
    }
    publisher.close().await?;
    Ok(())
}
