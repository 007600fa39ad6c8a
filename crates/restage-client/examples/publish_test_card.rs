//! Publishes a generated test card until interrupted.
//!
//! `cargo run --example publish_test_card --features testcard -- <participant token>`

use std::time::SystemTime;

use restage_client::testcard::{TestCard, TestCardConfig};
use restage_client::{ParticipantToken, PublishConfig, Publisher};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).ok_or("give a participant token")?;
    let token = ParticipantToken::decode(&text)?;
    let mut publisher = Publisher::join(&token, PublishConfig::default()).await?;
    eprintln!("publishing as {}", token.participant_id().unwrap_or("?"));

    let card = TestCard::new(TestCardConfig::default(), SystemTime::now())?;
    tokio::select! {
        ended = card.play(&mut publisher) => ended?,
        _ = tokio::signal::ctrl_c() => {}
    }
    publisher.close().await?;
    Ok(())
}
