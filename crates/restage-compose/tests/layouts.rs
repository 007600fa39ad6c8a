//! The pictures of the documents are what is composed.

#[path = "../examples/layouts/card.rs"]
mod card;
#[path = "../examples/layouts/draw.rs"]
mod draw;
#[path = "../examples/layouts/sheets.rs"]
mod sheets;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Bytes of a picture.
const BYTES_MAX: usize = 40_000;
/// How far a sample may be from that of the document, on average: another release of an encoder draws a little differently.
const ERROR_MAX: f64 = 4.0;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/composition")
}

fn samples(file: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut samples).unwrap();
    assert_eq!((info.width, info.height), (draw::WIDTH, draw::HEIGHT));
    samples
}

#[test]
fn pictures_of_the_documents_are_what_is_composed() {
    let mut wanted = BTreeSet::new();
    for sheet in sheets::all() {
        let composed = draw::composed(&sheet);
        let drawn = draw::png(&composed).unwrap();
        assert!(drawn.len() < BYTES_MAX, "{}: {}", sheet.name, drawn.len());
        assert_eq!(samples(&drawn), composed.0);
        let name = format!("{}.png", sheet.name);
        let kept = std::fs::read(folder().join(&name)).unwrap_or_default();
        assert!(!kept.is_empty(), "the example `layouts` draws {name}");
        let pairs = composed.0.iter().zip(samples(&kept));
        let sum: f64 = pairs
            .map(|(drawn, kept)| f64::from(drawn.abs_diff(kept)))
            .sum();
        let error = sum / composed.0.len() as f64;
        assert!(
            error < ERROR_MAX,
            "the example `layouts` draws {name} anew: {error:.1}"
        );
        wanted.insert(name);
    }
    let kept = std::fs::read_dir(folder()).unwrap();
    let kept: BTreeSet<String> = kept
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kept, wanted);
}
