//! A picture in planar 4:2:0 (I420), BT.709 limited range, onto which shapes are blended.

/// A colour as stored in the planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) y: u8,
    pub(super) u: u8,
    pub(super) v: u8,
}

impl Colour {
    /// From sRGB primaries, by the BT.709 matrix (ITU-R BT.709-6 §3).
    pub(super) fn rgb(rgb: u32) -> Self {
        let [_, r, g, b] = rgb.to_be_bytes().map(|value| f32::from(value) / 255.0);
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        Self {
            y: (16.0 + 219.0 * luma).round() as u8,
            u: (128.0 + 224.0 * (b - luma) / 1.8556).round() as u8,
            v: (128.0 + 224.0 * (r - luma) / 1.5748).round() as u8,
        }
    }

    /// A mixture of this colour and another; `part` is the share of the other, 0.0 to 1.0.
    pub(super) fn mix(self, other: Self, part: f32) -> Self {
        Self {
            y: blend(self.y, other.y, part),
            u: blend(self.u, other.u, part),
            v: blend(self.v, other.v, part),
        }
    }
}

/// A rectangle in pixels: left, top, right, bottom; the latter two are exclusive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

impl Area {
    pub(super) fn around(x: f32, y: f32, radius: f32) -> Self {
        Self {
            left: x - radius,
            top: y - radius,
            right: x + radius,
            bottom: y + radius,
        }
    }

    /// How far inside the rectangle with corners rounded by `radius` a point lies; negative
    /// outside.
    fn depth(&self, x: f32, y: f32, radius: f32) -> f32 {
        let half_width = (self.right - self.left) / 2.0 - radius;
        let half_height = (self.bottom - self.top) / 2.0 - radius;
        let dx = (x - (self.left + self.right) / 2.0).abs() - half_width;
        let dy = (y - (self.top + self.bottom) / 2.0).abs() - half_height;
        let outside = dx.max(0.0).hypot(dy.max(0.0));
        radius - outside - dx.max(dy).min(0.0)
    }
}

#[derive(Clone)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
}

impl Canvas {
    /// A black picture; both sides must be even.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let chroma = width / 2 * (height / 2);
        Self {
            width,
            height,
            y: vec![16; width * height],
            u: vec![128; chroma],
            v: vec![128; chroma],
        }
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.y.copy_from_slice(&other.y);
        self.u.copy_from_slice(&other.u);
        self.v.copy_from_slice(&other.v);
    }

    /// Blends a shape. `paint` returns for a point the coverage, 0.0 to 1.0, and the colour.
    /// Luma samples the middle of every pixel, chroma the middle of every four.
    pub(super) fn paint(&mut self, area: Area, paint: impl Fn(f32, f32) -> (Colour, f32)) {
        let (columns, rows) = clip(area, self.width, self.height);
        for row in rows {
            let line = row * self.width;
            for column in columns.clone() {
                let (colour, cover) = paint(column as f32 + 0.5, row as f32 + 0.5);
                if cover > 0.0 {
                    let luma = &mut self.y[line + column];
                    *luma = blend(*luma, colour.y, cover);
                }
            }
        }
        let half = Area {
            left: area.left / 2.0,
            top: area.top / 2.0,
            right: area.right / 2.0,
            bottom: area.bottom / 2.0,
        };
        let width = self.width / 2;
        let (columns, rows) = clip(half, width, self.height / 2);
        for row in rows {
            for column in columns.clone() {
                let (colour, cover) = paint(column as f32 * 2.0 + 1.0, row as f32 * 2.0 + 1.0);
                if cover > 0.0 {
                    let index = row * width + column;
                    self.u[index] = blend(self.u[index], colour.u, cover);
                    self.v[index] = blend(self.v[index], colour.v, cover);
                }
            }
        }
    }

    /// A rectangle with rounded corners and smooth edges.
    pub(super) fn fill(&mut self, area: Area, radius: f32, colour: Colour, strength: f32) {
        self.paint(area, |x, y| {
            (
                colour,
                (area.depth(x, y, radius) + 0.5).clamp(0.0, 1.0) * strength,
            )
        });
    }

    /// A ring of the given width, its middle line at `radius`.
    pub(super) fn ring(&mut self, (x, y): (f32, f32), radius: f32, width: f32, colour: Colour) {
        self.paint(Area::around(x, y, radius + width), |px, py| {
            let distance = ((px - x).hypot(py - y) - radius).abs();
            (colour, (width / 2.0 - distance + 0.5).clamp(0.0, 1.0))
        });
    }

    /// A straight line with round ends.
    pub(super) fn line(
        &mut self,
        from: (f32, f32),
        to: (f32, f32),
        width: f32,
        colour: Colour,
        strength: f32,
    ) {
        let area = Area {
            left: from.0.min(to.0) - width,
            top: from.1.min(to.1) - width,
            right: from.0.max(to.0) + width,
            bottom: from.1.max(to.1) + width,
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length_squared = (dx * dx + dy * dy).max(f32::EPSILON);
        self.paint(area, |x, y| {
            let along = ((x - from.0) * dx + (y - from.1) * dy) / length_squared;
            let along = along.clamp(0.0, 1.0);
            let distance = (x - from.0 - along * dx).hypot(y - from.1 - along * dy);
            (
                colour,
                (width / 2.0 - distance + 0.5).clamp(0.0, 1.0) * strength,
            )
        });
    }
}

fn clip(
    area: Area,
    width: usize,
    height: usize,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let range = |from: f32, to: f32, limit: usize| {
        // A cast from a negative number gives 0.
        let end = (to.ceil() as usize).min(limit);
        (from.floor() as usize).min(end)..end
    };
    (
        range(area.left, area.right, width),
        range(area.top, area.bottom, height),
    )
}

fn blend(from: u8, to: u8, part: f32) -> u8 {
    (f32::from(from) + (f32::from(to) - f32::from(from)) * part + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_colours_have_their_bt709_values() {
        let at = |rgb| {
            let Colour { y, u, v } = Colour::rgb(rgb);
            (y, u, v)
        };
        assert_eq!(at(0x00_0000), (16, 128, 128));
        assert_eq!(at(0xff_ffff), (235, 128, 128));
        assert_eq!(at(0xff_0000), (63, 102, 240));
        assert_eq!(at(0x00_ff00), (173, 42, 26));
        assert_eq!(at(0x00_00ff), (32, 240, 118));
    }

    #[test]
    fn shapes_beyond_the_edge_are_cut() {
        let mut canvas = Canvas::new(16, 8);
        let white = Colour::rgb(0xff_ffff);
        let area = Area {
            left: -50.0,
            top: -50.0,
            right: 4.0,
            bottom: 500.0,
        };
        canvas.fill(area, 0.0, white, 1.0);
        canvas.line((-9.0, -9.0), (99.0, -9.0), 3.0, white, 1.0);
        canvas.ring((1000.0, 0.0), 5.0, 2.0, white);
        assert_eq!(&canvas.y[..6], [235, 235, 235, 235, 16, 16]);
    }
}
