//! Pictures of layouts for the documents, drawn by the engine itself:
//! `cargo run -p restage-compose --example layouts -- docs/images/composition`.

mod card;
mod draw;
mod sheets;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("name the folder into which pictures are to be written")?;
    std::fs::create_dir_all(&folder)?;
    for sheet in sheets::all() {
        let path = folder.join(format!("{}.png", sheet.name));
        let bytes = draw::png(&draw::composed(&sheet))?;
        println!("{} {} bytes", path.display(), bytes.len());
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
