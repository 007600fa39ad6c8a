//! Prints who is on a stage, whenever that changes.
//!
//! `cargo run --example events -- <participant token>`

use restage_client::{EventStream, ParticipantToken, StageEvent};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).ok_or("give a participant token")?;
    let mut events = EventStream::join(&ParticipantToken::decode(&text)?).await?;
    while let Some(event) = events.next().await? {
        match event {
            StageEvent::State(state) => {
                println!(
                    "{}: {} participants",
                    state.stage_id,
                    state.participants.len()
                );
                for participant in state.participants {
                    let mark = if participant.is_publishing {
                        "publishing"
                    } else {
                        ""
                    };
                    println!("  {} {} {mark}", participant.id, participant.user_id);
                }
            }
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
