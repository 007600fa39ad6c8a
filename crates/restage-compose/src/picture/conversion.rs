//! From the colours that a stream says it has to those of all pictures here: BT.601 in limited range.

use restage_codec::h264::Colour;

use super::Frame;

/// `matrix_coefficients` (ITU-T H.264 table E-5).
const BT_709: u8 = 1;
const BT_2020: u8 = 9;
/// Fractional bits of the factors.
const FRACTION: i32 = 13;
const HALF: i32 = 1 << (FRACTION - 1);

/// Factors by which samples of one kind become those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    /// Subtracted from light before.
    black: i32,
    /// Light of light, blueness, redness.
    luma: [i32; 3],
    /// Blueness of blueness and redness, and the same for redness. Colour does not depend on light.
    blue: [i32; 2],
    red: [i32; 2],
}

impl Conversion {
    /// `None` if nothing is to be done: streams that do not name their matrix have BT.601, as browsers and most encoders without a setting.
    pub fn of(colour: Colour) -> Option<Self> {
        let (red, blue) = match colour.matrix {
            BT_709 => (0.2126, 0.0722),
            BT_2020 => (0.2627, 0.0593),
            _ if !colour.is_full_range => return None,
            _ => (0.299, 0.114),
        };
        let green = 1.0 - red - blue;
        let (black, luma, chroma) = match colour.is_full_range {
            true => (0, 219.0 / 255.0, 224.0 / 255.0),
            false => (16, 1.0, 1.0),
        };
        // Red, green and blue without light, of a unit of blueness and one of redness.
        let of_blue = [0.0, -2.0 * (1.0 - blue) * blue / green, 2.0 * (1.0 - blue)];
        let of_red = [2.0 * (1.0 - red), -2.0 * (1.0 - red) * red / green, 0.0];
        // Light and colour of BT.601, of red, green and blue (ITU-R BT.601-7 §2.5).
        let light = |rgb: [f64; 3]| 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        let fixed = |factor: f64| (factor * f64::from(1 << FRACTION)).round() as i32;
        let colours = |rgb: [f64; 3]| {
            let light = light(rgb);
            [(rgb[2] - light) / 1.772, (rgb[0] - light) / 1.402].map(|part| fixed(part * chroma))
        };
        let ([blue_of_blue, red_of_blue], [blue_of_red, red_of_red]) =
            (colours(of_blue), colours(of_red));
        // Light has 219 steps from black to white, colour 224 from end to end.
        let steps = 219.0 / 224.0 * chroma;
        Some(Self {
            black,
            luma: [
                fixed(luma),
                fixed(light(of_blue) * steps),
                fixed(light(of_red) * steps),
            ],
            blue: [blue_of_blue, blue_of_red],
            red: [red_of_blue, red_of_red],
        })
    }

    /// Converts a picture in place.
    pub fn apply(&self, frame: &mut Frame) {
        let (width, half) = (
            frame.size().width as usize,
            frame.plane_size(1).width as usize,
        );
        if width == 0 {
            return;
        }
        for y in 0..frame.size().height as usize {
            let start = y / 2 * half;
            let (blue, red) = (
                frame.plane(1)[start..start + half].to_vec(),
                frame.plane(2)[start..start + half].to_vec(),
            );
            let row = &mut frame.plane_mut(0)[y * width..(y + 1) * width];
            for (pair, (blue, red)) in row.chunks_mut(2).zip(blue.iter().zip(&red)) {
                let (blue, red) = (i32::from(*blue) - 128, i32::from(*red) - 128);
                let colour = self.luma[1] * blue + self.luma[2] * red + HALF;
                for luma in pair {
                    let light = (i32::from(*luma) - self.black) * self.luma[0] + colour;
                    *luma = byte((light >> FRACTION) + 16);
                }
            }
        }
        for place in 0..frame.plane(1).len() {
            let blue = i32::from(frame.plane(1)[place]) - 128;
            let red = i32::from(frame.plane(2)[place]) - 128;
            let of = |factors: [i32; 2]| {
                byte(((factors[0] * blue + factors[1] * red + HALF) >> FRACTION) + 128)
            };
            let (new_blue, new_red) = (of(self.blue), of(self.red));
            frame.plane_mut(1)[place] = new_blue;
            frame.plane_mut(2)[place] = new_red;
        }
    }
}

fn byte(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}
