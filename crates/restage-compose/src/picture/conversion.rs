//! From the colours that a stream says it has to those of all pictures here: BT.601 in limited range.

use restage_codec::h264::Colour;

use super::Yuv;

/// `matrix_coefficients` (ITU-T H.264 table E-5).
const BT_709: u8 = 1;
const BT_2020: u8 = 9;
/// Fractional bits of the factors.
const FRACTION: i32 = 13;
const HALF: i32 = 1 << (FRACTION - 1);

/// Factors by which samples of one kind become those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conversion {
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
    pub(crate) fn of(colour: Colour) -> Option<Self> {
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
    pub(crate) fn apply(&self, picture: &mut Yuv) {
        let [light, blue, red] = &mut picture.planes;
        let half = blue.width.max(1);
        let rows = light.samples.chunks_exact_mut(light.width.max(1));
        for (y, row) in rows.enumerate() {
            let start = y / 2 * half;
            let colours = start..start + half;
            let (Some(blue), Some(red)) =
                (blue.samples.get(colours.clone()), red.samples.get(colours))
            else {
                return;
            };
            for (pair, (blue, red)) in row.chunks_mut(2).zip(blue.iter().zip(red)) {
                let (blue, red) = (i32::from(*blue) - 128, i32::from(*red) - 128);
                let colour = self.luma[1] * blue + self.luma[2] * red + HALF;
                for light in pair {
                    let new = (i32::from(*light) - self.black) * self.luma[0] + colour;
                    *light = byte((new >> FRACTION) + 16);
                }
            }
        }
        for (blue, red) in blue.samples.iter_mut().zip(&mut red.samples) {
            let (old_blue, old_red) = (i32::from(*blue) - 128, i32::from(*red) - 128);
            let of = |factors: [i32; 2]| {
                byte(((factors[0] * old_blue + factors[1] * old_red + HALF) >> FRACTION) + 128)
            };
            (*blue, *red) = (of(self.blue), of(self.red));
        }
    }
}

fn byte(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of a colour, red, green and blue from 0 to 1, by a matrix with these weights.
    fn coded([r, g, b]: [f64; 3], (red, blue): (f64, f64), is_full: bool) -> [f64; 3] {
        let light = red * r + (1.0 - red - blue) * g + blue * b;
        let colours = [
            (b - light) / (2.0 * (1.0 - blue)),
            (r - light) / (2.0 * (1.0 - red)),
        ];
        match is_full {
            true => [
                light * 255.0,
                colours[0] * 255.0 + 128.0,
                colours[1] * 255.0 + 128.0,
            ],
            false => [
                16.0 + light * 219.0,
                colours[0] * 224.0 + 128.0,
                colours[1] * 224.0 + 128.0,
            ],
        }
    }

    #[test]
    fn colours_of_every_matrix_become_those_of_bt_601() {
        let byte = |samples: [f64; 3]| samples.map(|sample| sample.round() as u8);
        for (matrix, weights) in [
            (BT_709, (0.2126, 0.0722)),
            (BT_2020, (0.2627, 0.0593)),
            (6, (0.299, 0.114)),
            (2, (0.299, 0.114)),
        ] {
            for is_full_range in [false, true] {
                let conversion = Conversion::of(Colour {
                    matrix,
                    is_full_range,
                });
                for number in 0..27 {
                    let part = |step: u32| f64::from(number / step % 3) / 2.0;
                    let rgb = [part(1), part(3), part(9)];
                    let wanted = byte(coded(rgb, (0.299, 0.114), false));
                    // Of an odd size, as some streams have it.
                    let mut picture = Yuv::filled(3, 5, byte(coded(rgb, weights, is_full_range)));
                    if let Some(conversion) = conversion {
                        conversion.apply(&mut picture);
                    }
                    for (plane, wanted) in picture.planes.iter().zip(wanted) {
                        let is_near = |found: &u8| found.abs_diff(wanted) <= 2;
                        assert!(
                            plane.samples.iter().all(is_near),
                            "{matrix} {is_full_range} {rgb:?}: {picture:?} {wanted}"
                        );
                    }
                }
            }
        }
        assert_eq!(Conversion::of(Colour::UNSPECIFIED), None);
    }
}
