//! Pictures: brightness and colour in three planes, as decoders give them and encoders take them (I420).
//!
//! All colours are those of BT.601 with a limited range, as browsers send their cameras without saying so. A stream that says otherwise is
//! converted when it is decoded.

mod conversion;
mod draw;
mod placeholder;
mod scale;

pub(crate) use self::conversion::Conversion;
pub(crate) use self::placeholder::placeholder;
pub(crate) use self::scale::Painter;
use openh264::formats::YUVSource;

/// Brightness and colour of black.
const BLACK: [u8; 3] = [16, 128, 128];

/// One plane, without padding.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) samples: Vec<u8>,
}

/// A picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Yuv {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Brightness, and two of colour with half the width and half the height, rounded up.
    pub(crate) planes: [Plane; 3],
}

impl Plane {
    fn filled(width: usize, height: usize, value: u8) -> Self {
        Self {
            width,
            height,
            samples: vec![value; width * height],
        }
    }

    /// Takes what lies in rows of `stride` bytes. `None` if there is less than the size says.
    fn of(samples: &[u8], stride: usize, width: usize, height: usize) -> Option<Self> {
        let mut taken = Vec::with_capacity(width * height);
        for row in 0..height {
            let start = row.checked_mul(stride)?;
            taken.extend_from_slice(samples.get(start..start.checked_add(width)?)?);
        }
        Some(Self {
            width,
            height,
            samples: taken,
        })
    }

    /// Turned clockwise by a quarter of a circle.
    fn turned(&self) -> Self {
        let (width, height) = (self.height, self.width);
        let mut samples = Vec::with_capacity(self.samples.len());
        for row in 0..height {
            let column =
                (0..width).map(|at| self.samples[(self.height - 1 - at) * self.width + row]);
            samples.extend(column);
        }
        Self {
            width,
            height,
            samples,
        }
    }
}

impl Yuv {
    /// Sizes of the planes of a picture.
    fn sizes(width: u32, height: u32) -> [(usize, usize); 3] {
        let (w, h) = (width as usize, height as usize);
        let colour = (w.div_ceil(2), h.div_ceil(2));
        [(w, h), colour, colour]
    }

    /// A black picture.
    pub(crate) fn black(width: u32, height: u32) -> Self {
        Self::filled(width, height, BLACK)
    }

    /// A picture of one colour.
    pub(crate) fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let sizes = Self::sizes(width, height);
        let plane = |place: usize| Plane::filled(sizes[place].0, sizes[place].1, colour[place]);
        Self {
            width,
            height,
            planes: [plane(0), plane(1), plane(2)],
        }
    }

    /// Takes planes that lie in rows of `strides` bytes. `None` if there is less than the size says.
    pub(crate) fn of(
        (width, height): (u32, u32),
        samples: [&[u8]; 3],
        strides: [usize; 3],
    ) -> Option<Self> {
        let sizes = Self::sizes(width, height);
        let plane = |place: usize| {
            let (width, height) = sizes[place];
            Plane::of(samples[place], strides[place], width, height)
        };
        Some(Self {
            width,
            height,
            planes: [plane(0)?, plane(1)?, plane(2)?],
        })
    }

    /// Turned clockwise by so many quarters of a circle.
    pub(crate) fn turned(self, quarters: u8) -> Self {
        (0..quarters % 4).fold(self, |picture, _| Self {
            width: picture.height,
            height: picture.width,
            planes: picture.planes.each_ref().map(Plane::turned),
        })
    }
}

impl YUVSource for Yuv {
    fn dimensions(&self) -> (usize, usize) {
        (self.width as usize, self.height as usize)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let [y, u, v] = &self.planes;
        (y.width, u.width, v.width)
    }

    fn y(&self) -> &[u8] {
        &self.planes[0].samples
    }

    fn u(&self) -> &[u8] {
        &self.planes[1].samples
    }

    fn v(&self) -> &[u8] {
        &self.planes[2].samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_without_their_padding_and_turned() {
        let y = [1, 2, 3, 0, 4, 5, 6, 0];
        let colour = [7, 8];
        let picture = Yuv::of((3, 2), [&y, &colour, &colour], [4, 2, 2]).unwrap();
        assert_eq!(picture.planes[0].samples, [1, 2, 3, 4, 5, 6]);
        assert_eq!(picture.planes[1].samples, [7, 8]);
        let turned = picture.clone().turned(1);
        assert_eq!((turned.width, turned.height), (2, 3));
        assert_eq!(turned.planes[0].samples, [4, 1, 5, 2, 6, 3]);
        assert_eq!(picture.clone().turned(4), picture);
        assert_eq!(turned.turned(3), picture);
        assert_eq!(Yuv::of((3, 3), [&y, &colour, &colour], [4, 2, 2]), None);
        assert_eq!(
            Yuv::of((3, 2), [&y, &colour, &colour], [usize::MAX, 2, 2]),
            None
        );
    }
}
