//! A picture of each layout, drawn from what a composition has made: `cargo run -p restage-compose --example layouts -- FOLDER`.

mod card;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use restage_compose::decode::VideoDecoder;
use restage_compose::encode::VideoEncoder;
use restage_compose::engine::Engine;
use restage_compose::layout::{
    AspectRatio, FillMode, Grid, Layout, Person, Pip, PipBehavior, PipPosition, Size, Video,
};
use restage_compose::picture::Frame;
use restage_compose::protocol::{Codec, FromChild, Rendition, Setup, SoundFormats, ToChild};

const WIDTH: u32 = 1_280;
const HEIGHT: u32 = 720;
const NAMES: [&str; 12] = [
    "Ann", "Boris", "Chloé", "Dina", "Emre", "Fatou", "Grace", "Hugo", "Inês", "Jan", "Kavya",
    "Łukasz",
];

/// A picture of the documents.
struct Sheet {
    name: &'static str,
    layout: Layout,
    persons: Vec<Person>,
    /// Sizes of what the persons send.
    sizes: Vec<(u32, u32)>,
}

fn persons(count: usize) -> Vec<Person> {
    let person = |(input, name): (usize, &&str)| Person {
        input: input as u32,
        name: (*name).to_owned(),
        is_featured: false,
        is_pip: false,
        order: None,
        arrived: input as u64,
        has_video: Video::Publishing,
        why_no_picture: None,
        is_muted: false,
    };
    NAMES.iter().enumerate().take(count).map(person).collect()
}

fn sheet(
    name: &'static str,
    layout: Layout,
    count: usize,
    change: impl FnOnce(&mut Sheet),
) -> Sheet {
    let mut sheet = Sheet {
        name,
        layout,
        persons: persons(count),
        sizes: vec![(640, 360); count],
    };
    change(&mut sheet);
    sheet
}

fn grid(change: impl FnOnce(&mut Grid)) -> Layout {
    let mut grid = Grid::default();
    change(&mut grid);
    Layout::Grid(grid)
}

fn pip(change: impl FnOnce(&mut Pip)) -> Layout {
    let mut pip = Pip::default();
    change(&mut pip);
    Layout::Pip(pip)
}

fn grids() -> Vec<Sheet> {
    let plain = || grid(|_| ());
    let shape = |shape| grid(|grid| grid.video_aspect_ratio = shape);
    let fill = |mode| grid(|grid| grid.video_fill_mode = mode);
    let shapes = |sheet: &mut Sheet| {
        sheet.sizes = vec![(640, 360), (640, 480), (360, 640), (480, 480)];
    };
    vec![
        sheet("grid-1", plain(), 1, |_| ()),
        sheet("grid-2", plain(), 2, |_| ()),
        sheet("grid-3", plain(), 3, |_| ()),
        sheet("grid-4", plain(), 4, |_| ()),
        sheet("grid-12", plain(), 12, |_| ()),
        sheet("grid-featured", plain(), 6, |sheet| {
            sheet.persons[0].is_featured = true
        }),
        sheet("grid-square", shape(AspectRatio::Square), 4, |_| ()),
        sheet("grid-portrait", shape(AspectRatio::Portrait), 4, |_| ()),
        sheet("grid-auto", shape(AspectRatio::Auto), 3, |_| ()),
        sheet("grid-cover", plain(), 4, shapes),
        sheet("grid-contain", fill(FillMode::Contain), 4, shapes),
        sheet("grid-fill", fill(FillMode::Fill), 4, shapes),
        sheet("grid-gap", grid(|grid| grid.grid_gap = 24), 4, |_| ()),
        sheet("grid-without-pictures", plain(), 4, |sheet| {
            sheet.persons[1].has_video = Video::Stopped;
            sheet.persons[2].why_no_picture = Some("AV1 cannot be shown".to_owned());
            sheet.persons[3].has_video = Video::None;
            sheet.persons[3].is_muted = true;
        }),
        sheet(
            "grid-omit-stopped",
            grid(|grid| grid.omit_stopped_video = true),
            4,
            |sheet| {
                sheet.persons[1].has_video = Video::Stopped;
            },
        ),
        sheet("grid-ordered", plain(), 4, |sheet| {
            let orders = [Some(3), None, Some(-1), Some(2)];
            sheet
                .persons
                .iter_mut()
                .zip(orders)
                .for_each(|(person, order)| person.order = order);
        }),
    ]
}

fn pips() -> Vec<Sheet> {
    let overlay = |sheet: &mut Sheet| sheet.persons[0].is_pip = true;
    let at = |position| {
        pip(|pip| {
            pip.pip_position = position;
            pip.pip_offset = 24;
        })
    };
    vec![
        sheet("pip", at(PipPosition::BottomRight), 2, overlay),
        sheet("pip-top-left", at(PipPosition::TopLeft), 2, overlay),
        sheet("pip-grid", at(PipPosition::TopRight), 5, overlay),
        sheet("pip-featured", at(PipPosition::TopRight), 5, |sheet| {
            sheet.persons[0].is_pip = true;
            sheet.persons[1].is_featured = true;
        }),
        sheet("pip-portrait", at(PipPosition::BottomLeft), 2, |sheet| {
            sheet.persons[0].is_pip = true;
            sheet.sizes[0] = (360, 640);
        }),
        sheet(
            "pip-sized",
            pip(|pip| pip.pip_width = Some(480)),
            2,
            overlay,
        ),
        sheet("pip-static-alone", pip(|_| ()), 1, overlay),
        sheet(
            "pip-dynamic-alone",
            pip(|pip| pip.pip_behavior = PipBehavior::Dynamic),
            1,
            overlay,
        ),
    ]
}

/// The last picture of a second.
fn composed(sheet: &Sheet) -> Result<Frame, Box<dyn std::error::Error>> {
    let setup = Setup {
        now_us: 0,
        layout: sheet.layout.clone(),
        renditions: vec![Rendition {
            width: WIDTH,
            height: HEIGHT,
            framerate_milli: 30_000,
            bitrate: 8_000_000,
        }],
        sound: SoundFormats::default(),
    };
    let mut engine = Engine::new(setup, Box::new(|| 0), None)?;
    engine.take(ToChild::Scene {
        persons: sheet.persons.clone(),
    });
    for (person, (width, height)) in sheet.persons.iter().zip(&sheet.sizes) {
        let (width, height) = (*width, *height);
        let picture = card::card(person.input, &person.name, Size { width, height });
        let rendition = Rendition {
            width,
            height,
            framerate_milli: 30_000,
            bitrate: 8_000_000,
        };
        let mut encoder = VideoEncoder::new(&rendition)?;
        for number in 0..5 {
            let at_us = number * 33_333;
            let Some(encoded) = encoder.encode(&picture, at_us, number == 0)? else {
                continue;
            };
            engine.take(ToChild::Picture {
                input: person.input,
                at_us,
                codec: Codec::H264,
                is_key: encoded.is_key,
                quarter_turns: 0,
                bytes: encoded.bytes,
            });
        }
    }
    let mut decoder = VideoDecoder::default();
    while engine.due_us() < 1_000_000 {
        engine.tick(engine.due_us())?;
        while let Some(message) = engine.poll() {
            if let FromChild::Picture { is_key, bytes, .. } = message {
                decoder.decode(Codec::H264, is_key, 0, &bytes)?;
            }
        }
    }
    Ok(decoder.picture().ok_or("no picture was made")?.clone())
}

fn write(path: &Path, frame: &Frame) -> Result<(), Box<dyn std::error::Error>> {
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()?
        .write_image_data(&card::rgb(frame))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder")?;
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    for sheet in grids().into_iter().chain(pips()) {
        let path = folder.join(format!("{}.png", sheet.name));
        write(&path, &composed(&sheet)?)?;
        println!("{}", path.display());
    }
    Ok(())
}
