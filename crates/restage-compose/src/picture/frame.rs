//! A picture: three planes without padding.

use crate::layout::{Rect, Size};

/// Black in limited range, and no colour.
const BLACK: [u8; 3] = [16, 128, 128];

/// A plane of somebody else's picture, whose rows may be longer than what is seen.
#[derive(Debug, Clone, Copy)]
pub struct PlaneRef<'a> {
    /// Rows one after the other.
    pub samples: &'a [u8],
    /// Samples from one row to the next.
    pub stride: usize,
}

/// A picture in 4:2:0: light, blueness, redness. Planes of colour have half the width and height, rounded up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    size: Size,
    planes: [Vec<u8>; 3],
}

impl Frame {
    /// A black picture.
    pub fn new(size: Size) -> Self {
        let planes = [0, 1, 2].map(|plane| {
            let Size { width, height } = plane_size(size, plane);
            vec![BLACK[plane]; width as usize * height as usize]
        });
        Self { size, planes }
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The samples of a plane, 0 to 2, row by row.
    pub fn plane(&self, plane: usize) -> &[u8] {
        &self.planes[plane]
    }

    /// The samples of a plane, 0 to 2, row by row.
    pub fn plane_mut(&mut self, plane: usize) -> &mut [u8] {
        &mut self.planes[plane]
    }

    /// Width and height of a plane, 0 to 2.
    pub fn plane_size(&self, plane: usize) -> Size {
        plane_size(self.size, plane)
    }

    /// Becomes the picture that a decoder has. False, and something unspecified is seen, if a plane is shorter than its size says.
    pub fn copy_from(&mut self, size: Size, planes: [PlaneRef<'_>; 3]) -> bool {
        if self.size != size {
            *self = Self::new(size);
        }
        planes.iter().enumerate().all(|(plane, from)| {
            let Size { width, .. } = self.plane_size(plane);
            let width = width as usize;
            let mut last = None;
            let rows = self.planes[plane].chunks_exact_mut(width);
            for (y, row) in rows.enumerate() {
                let start = y * from.stride;
                match from.samples.get(start..start + width).or(last) {
                    Some(samples) => {
                        row.copy_from_slice(samples);
                        last = Some(samples);
                    }
                    None => return false,
                }
            }
            true
        })
    }

    /// Turned clockwise by quarters of a circle.
    #[must_use]
    pub fn turned(&self, quarter_turns: u8) -> Self {
        let turns = quarter_turns % 4;
        let Size { width, height } = self.size;
        let size = match turns {
            1 | 3 => Size {
                width: height,
                height: width,
            },
            _ => self.size,
        };
        let planes = [0, 1, 2].map(|plane| {
            let from = self.plane_size(plane);
            let (width, height) = (from.width as usize, from.height as usize);
            let samples = &self.planes[plane];
            let mut turned = Vec::with_capacity(samples.len());
            match turns {
                0 => turned.extend_from_slice(samples),
                1 => (0..width).for_each(|x| {
                    turned.extend((0..height).rev().map(|y| samples[y * width + x]));
                }),
                2 => turned.extend(samples.iter().rev()),
                _ => (0..width).rev().for_each(|x| {
                    turned.extend((0..height).map(|y| samples[y * width + x]));
                }),
            }
            turned
        });
        Self { size, planes }
    }

    /// Fills a part with one colour. What is outside of the picture is left out.
    pub fn fill(&mut self, rect: Rect, colour: [u8; 3]) {
        for (plane, sample) in colour.into_iter().enumerate() {
            let (x, y, width, height) = in_plane(rect, plane);
            let size = self.plane_size(plane);
            let end = (x + width).min(size.width as usize);
            let rows = self.planes[plane].chunks_exact_mut((size.width as usize).max(1));
            for row in rows.skip(y).take(height) {
                if let Some(part) = row.get_mut(x..end) {
                    part.fill(sample);
                }
            }
        }
    }

    /// Makes a part black.
    pub fn blacken(&mut self, rect: Rect) {
        self.fill(rect, BLACK);
    }

    /// Copies a picture to a place, of which it has at least the size.
    pub fn blit(&mut self, from: &Self, rect: Rect) {
        for plane in 0..3 {
            let (x, y, width, height) = in_plane(rect, plane);
            let own = self.plane_size(plane).width as usize;
            let other = from.plane_size(plane).width as usize;
            let rows = self.planes[plane].chunks_exact_mut(own.max(1));
            let others = from.planes[plane].chunks_exact(other.max(1));
            for (row, other) in rows.skip(y).zip(others).take(height) {
                let (Some(row), Some(other)) = (row.get_mut(x..x + width), other.get(..width))
                else {
                    continue;
                };
                row.copy_from_slice(other);
            }
        }
    }
}

/// Place and size in a plane of what has even numbers.
pub(super) fn in_plane(rect: Rect, plane: usize) -> (usize, usize, usize, usize) {
    let shift = u32::from(plane != 0);
    let place = |number: u32| (number >> shift) as usize;
    (
        place(rect.x),
        place(rect.y),
        place(rect.width),
        place(rect.height),
    )
}

fn plane_size(size: Size, plane: usize) -> Size {
    match plane {
        0 => size,
        _ => Size {
            width: size.width.div_ceil(2),
            height: size.height.div_ceil(2),
        },
    }
}
