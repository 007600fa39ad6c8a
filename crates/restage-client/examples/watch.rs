//! Subscribes to one publisher and prints what arrives.
//!
//! `cargo run --example watch -- <participant token> <publisher's participant id>`

use restage_client::{ParticipantToken, SubscribeConfig, Subscriber};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().ok_or("give a participant token")?;
    let participant_id = arguments
        .next()
        .ok_or("give the publisher's participant id")?;
    let token = ParticipantToken::decode(&text)?;

    let mut subscriber =
        Subscriber::join(&token, &participant_id, SubscribeConfig::default()).await?;
    while let Some(received) = subscriber.frame().await {
        let frame = &received.frame;
        let mark = if frame.is_key_frame { "key" } else { "" };
        println!(
            "{:>12.3?} {:5} {:>6} bytes {mark}",
            frame.time,
            frame.codec,
            frame.data.len()
        );
    }
    Ok(())
}
