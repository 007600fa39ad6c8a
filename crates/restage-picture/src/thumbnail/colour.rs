//! Light and differences of colour (Y′CbCr, 4:2:0) become red, green and blue.

use restage_codec::h264::Colour;

/// Fractional bits of the factors.
const FRACTION: i32 = 14;
const HALF: i32 = 1 << (FRACTION - 1);
/// `matrix_coefficients` (ITU-T H.264 table E-5).
const BT_709: u8 = 1;
const BT_2020: u8 = 9;

/// Factors from light and colour to red, green and blue, in 2⁻¹⁴.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Matrix {
    black: i32,
    luma: i32,
    red_of_red: i32,
    green_of_blue: i32,
    green_of_red: i32,
    blue_of_blue: i32,
}

impl Matrix {
    /// Streams that do not name their matrix have BT.601: so do browsers and most encoders without a setting.
    pub(super) fn of(colour: Colour) -> Self {
        // The weights of red and blue in light (table E-5).
        let (red, blue) = match colour.matrix {
            BT_709 => (0.2126, 0.0722),
            BT_2020 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        };
        let green = 1.0 - red - blue;
        let (black, luma, chroma) = match colour.is_full_range {
            true => (0, 1.0, 1.0),
            false => (16, 255.0 / 219.0, 255.0 / 224.0),
        };
        let fixed = |factor: f64| (factor * f64::from(1 << FRACTION)).round() as i32;
        Self {
            black,
            luma: fixed(luma),
            red_of_red: fixed(chroma * 2.0 * (1.0 - red)),
            green_of_blue: fixed(chroma * 2.0 * (1.0 - blue) * blue / green),
            green_of_red: fixed(chroma * 2.0 * (1.0 - red) * red / green),
            blue_of_blue: fixed(chroma * 2.0 * (1.0 - blue)),
        }
    }

    fn pixel(&self, luma: u8, blue: u8, red: u8) -> [u8; 3] {
        let light = (i32::from(luma) - self.black) * self.luma + HALF;
        let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
        let byte = |value: i32| (value >> FRACTION).clamp(0, 255) as u8;
        [
            byte(light + self.red_of_red * red),
            byte(light - self.green_of_blue * blue - self.green_of_red * red),
            byte(light + self.blue_of_blue * blue),
        ]
    }
}

/// A picture as decoders give it. Planes of colour have half the width and height, rounded up; a plane is its samples, and how many of
/// them a row has with its padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) luma: (&'a [u8], usize),
    pub(super) blue: (&'a [u8], usize),
    pub(super) red: (&'a [u8], usize),
}

impl Planes<'_> {
    /// Three bytes a pixel, row by row. `None` if a plane is shorter than the size says.
    pub(super) fn to_rgb(self, matrix: &Matrix) -> Option<Vec<u8>> {
        let half = self.width.div_ceil(2);
        let mut pixels = Vec::with_capacity(self.width.checked_mul(self.height)?.checked_mul(3)?);
        for y in 0..self.height {
            let luma = row(self.luma, y, self.width)?;
            // Half of an odd height is rounded down by some decoders.
            let blue = row(self.blue, y / 2, half)?;
            let red = row(self.red, y / 2, half)?;
            let colours = blue.iter().zip(red);
            for (pair, (blue, red)) in luma.chunks(2).zip(colours) {
                for luma in pair {
                    pixels.extend_from_slice(&matrix.pixel(*luma, *blue, *red));
                }
            }
        }
        Some(pixels)
    }
}

fn row((samples, stride): (&[u8], usize), y: usize, width: usize) -> Option<&[u8]> {
    let start = y.checked_mul(stride)?;
    samples.get(start..start.checked_add(width)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(matrix: u8, is_full_range: bool) -> Matrix {
        Matrix::of(Colour {
            matrix,
            is_full_range,
        })
    }

    #[test]
    fn white_black_and_grey_have_no_colour() {
        for number in [0, 1, 2, 5, 6, 9] {
            let limited = matrix(number, false);
            assert_eq!(limited.pixel(16, 128, 128), [0; 3]);
            assert_eq!(limited.pixel(235, 128, 128), [255; 3]);
            assert_eq!(limited.pixel(255, 128, 128), [255; 3]);
            let full = matrix(number, true);
            assert_eq!(full.pixel(0, 128, 128), [0; 3]);
            assert_eq!(full.pixel(77, 128, 128), [77; 3]);
        }
    }

    /// Pure red, as BT.601 and BT.709 write it with limited range (ITU-R BT.601-7 and BT.709-6, 8 bits).
    #[test]
    fn red_is_red_in_its_own_matrix() {
        let close = |found: [u8; 3], expected: [u8; 3]| {
            let pairs = found.into_iter().zip(expected);
            pairs.map(|(a, b)| a.abs_diff(b)).max() <= Some(2)
        };
        assert!(close(matrix(6, false).pixel(81, 90, 240), [255, 0, 0]));
        assert!(close(matrix(2, false).pixel(81, 90, 240), [255, 0, 0]));
        assert!(close(matrix(1, false).pixel(63, 102, 240), [255, 0, 0]));
        assert!(!close(matrix(1, false).pixel(81, 90, 240), [255, 0, 0]));
    }

    #[test]
    fn odd_sizes_and_padding() {
        let luma = [50, 60, 70, 0, 80, 90, 100, 0, 110, 120, 130, 0];
        let grey = [128; 8];
        let planes = Planes {
            width: 3,
            height: 3,
            luma: (&luma, 4),
            blue: (&grey, 4),
            red: (&grey, 4),
        };
        let pixels = planes.to_rgb(&matrix(2, true)).unwrap();
        let first: Vec<u8> = pixels.chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(first, [50, 60, 70, 80, 90, 100, 110, 120, 130]);
        let short = Planes {
            red: (&grey[..5], 4),
            ..planes
        };
        assert_eq!(short.to_rgb(&matrix(2, true)), None);
        let huge = Planes {
            width: usize::MAX,
            ..planes
        };
        assert_eq!(huge.to_rgb(&matrix(2, true)), None);
    }
}
