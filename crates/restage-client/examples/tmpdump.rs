use restage_client::testcard::*;
use std::io::Write;
fn main() {
    for (size, name) in [(CardSize::P360, "360"), (CardSize::P720, "720")] {
        let mut config = TestCardConfig::default();
        config.size = size;
        config.has_audio = false;
        let start = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_790_000_000_000 + 300);
        let mut card = TestCard::new(config, start).unwrap();
        let mut dec = openh264::decoder::Decoder::new().unwrap();
        let t = std::time::Instant::now();
        let mut bytes = 0;
        let mut keys = 0;
        for i in 0..150 {
            let f = card.next_frame().unwrap();
            bytes += f.data.len();
            keys += f.is_key_frame as usize;
            if i == 0 { println!("{:02x?}", &f.data[..24]); }
            use openh264::formats::YUVSource;
            let yuv = dec.decode(&f.data).unwrap().unwrap();
            let (w, h) = yuv.dimensions();
            assert_eq!(read_frame_counter(size, yuv.y(), yuv.strides().0), Some(i));
            if [0, 5, 22, 140].contains(&i) {
                let mut rgb = vec![0; w * h * 3];
                yuv.write_rgb8(&mut rgb);
                let mut out = std::fs::File::create(format!("/tmp/card-{name}-{i}.ppm")).unwrap();
                write!(out, "P6\n{w} {h}\n255\n").unwrap();
                out.write_all(&rgb).unwrap();
            }
        }
        println!("{name}: {bytes} bytes in 5 s, {keys} keys, {:?} per frame", t.elapsed() / 150);
    }
}
