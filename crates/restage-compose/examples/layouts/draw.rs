//! What the engine makes of test cards, as a PNG.

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::decoder::Decoder;
use openh264::encoder::{BitRate, Encoder, EncoderConfig, FrameRate};
use openh264::formats::YUVSource as _;
use restage_compose::offline::Offline;
use restage_compose::protocol::{
    FromChild, Rendition, Setup, SoundFormats, ToChild, Video, VideoCodec,
};

use super::card::card;
use super::sheets::Sheet;

/// Size of the pictures.
pub(crate) const WIDTH: u32 = 480;
pub(crate) const HEIGHT: u32 = 270;
/// When the picture is taken: late enough that the encoder has made it sharp.
const TAKEN_US: u64 = 800_000;
/// Pictures that each participant sends.
const PICTURES: u64 = 8;
/// Colours are rounded to so many steps, so that what the encoder has left of noise takes no room in the file.
const STEP: u8 = 4;

/// Red, green and blue, row by row.
pub(crate) struct Rgb(pub(crate) Vec<u8>);

/// The picture of a sheet.
pub(crate) fn composed(sheet: &Sheet) -> Rgb {
    let setup = Setup {
        now_us: 0,
        layout: sheet.layout.clone(),
        renditions: vec![Rendition {
            width: WIDTH,
            height: HEIGHT,
            framerate_milli: 30_000,
            bitrate: 6_000_000,
        }],
        sound: SoundFormats::default(),
    };
    let mut offline = Offline::new(setup).expect("the libraries make encoders");
    offline.take(ToChild::Scene {
        persons: sheet.persons.clone(),
    });
    let mut cameras: Vec<_> = sheet
        .persons
        .iter()
        .zip(&sheet.sizes)
        .filter(|(person, _)| person.video == Video::Publishing)
        .map(|(person, size)| {
            (
                person.input,
                card(person.input, &person.name, *size),
                encoder(),
            )
        })
        .collect();
    let mut eye = Decoder::new().expect("the library makes a decoder");
    let mut newest = None;
    for number in 0..PICTURES {
        for (input, picture, encoder) in &mut cameras {
            let encoded = encoder.encode(&*picture).expect("a card is encoded");
            offline.take(ToChild::Picture {
                input: *input,
                at_us: offline.now_us(),
                codec: VideoCodec::H264,
                is_key: number == 0,
                quarter_turns: 0,
                bytes: Bytes::from(encoded.to_vec()),
            });
        }
        let until_us = (number + 1) * TAKEN_US / PICTURES;
        offline.run_to(until_us, |said| {
            if let FromChild::Picture { bytes, .. } = said {
                let seen = eye.decode(&bytes).expect("what is composed is H.264");
                let seen = seen.expect("each picture is whole");
                newest = Some(rgb(&seen));
            }
        });
    }
    newest.expect("pictures are made")
}

fn encoder() -> Encoder {
    let config = EncoderConfig::new()
        .bitrate(BitRate::from_bps(8_000_000))
        .max_frame_rate(FrameRate::from_hz(10.0))
        .skip_frames(false)
        .num_threads(1);
    Encoder::with_api_config(OpenH264API::from_source(), config).expect("the library encodes")
}

/// Of BT.601 in limited range (ITU-R BT.601-7).
fn rgb(seen: &openh264::decoder::DecodedYUV<'_>) -> Rgb {
    let (light, blue, red) = seen.strides();
    let mut samples = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT as usize {
        for x in 0..WIDTH as usize {
            let light = f64::from(seen.y()[y * light + x]);
            let blue = f64::from(seen.u()[y / 2 * blue + x / 2]) - 128.0;
            let red = f64::from(seen.v()[y / 2 * red + x / 2]) - 128.0;
            let light = (light - 16.0) * 255.0 / 219.0;
            let (blue, red) = (blue * 255.0 / 224.0, red * 255.0 / 224.0);
            let colours = [
                light + 1.402 * red,
                light - 0.344 * blue - 0.714 * red,
                light + 1.772 * blue,
            ];
            samples.extend(colours.map(|value| {
                let step = f64::from(STEP);
                ((value / step).round() * step).clamp(0.0, 255.0) as u8
            }));
        }
    }
    Rgb(samples)
}

/// The file.
pub(crate) fn png(picture: &Rgb) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.0)?;
    writer.finish()?;
    Ok(bytes)
}
