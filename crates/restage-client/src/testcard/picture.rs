//! The test card's picture: colour bars, a dial whose hand turns once a second, the time of day
//! and a frame counter that programs can read back.

use std::f32::consts::TAU;
use std::time::{Duration, SystemTime};

use super::canvas::{Area, Canvas, Colour};
use super::font::{ADVANCE, DIGITS, GLYPH_HEIGHT, GLYPH_WIDTH, Glyph, glyph, is_lit};
use super::{CardSize, FLASH};

/// Digits of the frame counter; it restarts after 999 999, nine hours at 30 frames per second.
pub(super) const COUNTER_DIGITS: usize = 6;
const COUNTER_WRAP: u64 = 10_u64.pow(COUNTER_DIGITS as u32);

// The layout, in units; the picture is 640 units wide and 360 high.
const BARS_HEIGHT: f32 = 40.0;
const RAMP_HEIGHT: f32 = 14.0;
const RAMP_STEPS: usize = 16;
const DIAL: (f32, f32) = (146.0, 194.0);
const DIAL_RADIUS: f32 = 108.0;
const TEXT_LEFT: f32 = 298.0;
const TITLE_TOP: f32 = 70.0;
const TITLE_DOT: f32 = 4.0;
const TITLE_CHARACTERS_MAX: usize = 13;
const NOTE_TOP: f32 = 108.0;
const NOTE_DOT: f32 = 2.0;
const CLOCK_TOP: f32 = 148.0;
const CLOCK_DOT: f32 = 4.0;
const DATE_TOP: f32 = 186.0;
const COUNTER_LABEL_TOP: f32 = 222.0;
const COUNTER_TOP: f32 = 244.0;
const COUNTER_DOT: f32 = 8.0;
const SECOND_TOP: f32 = 318.0;
const SECOND_HEIGHT: f32 = 6.0;
const TEXT_WIDTH: f32 = 12.0 * ADVANCE as f32 * CLOCK_DOT - CLOCK_DOT;

/// Luma between a dark and a lit dot.
const LIT_LUMA: u8 = 120;

struct Palette {
    night: Colour,
    dusk: Colour,
    panel: Colour,
    faint: Colour,
    text: Colour,
    muted: Colour,
    accent: Colour,
    glow: Colour,
}

/// Draws the card, frame by frame.
pub(super) struct Picture {
    size: CardSize,
    /// Pixels per layout unit.
    unit: f32,
    palette: Palette,
    /// The parts that do not move.
    backdrop: Canvas,
    canvas: Canvas,
}

impl Picture {
    pub(super) fn new(size: CardSize, title: &str, note: &str) -> Self {
        let (width, height) = size.pixels();
        let canvas = Canvas::new(width, height);
        let palette = Palette {
            night: Colour::rgb(0x0b_1020),
            dusk: Colour::rgb(0x1c_2748),
            panel: Colour::rgb(0x0e_1428),
            faint: Colour::rgb(0x24_3050),
            text: Colour::rgb(0xf4_f7ff),
            muted: Colour::rgb(0x8f_9dc4),
            accent: Colour::rgb(0xff_9f1c),
            glow: Colour::rgb(0x2e_c4b6),
        };
        let unit = height as f32 / 360.0;
        let mut this = Self {
            size,
            unit,
            palette,
            backdrop: canvas.clone(),
            canvas,
        };
        this.draw_backdrop();
        this.draw_bars();
        this.draw_dial_face();
        let title: String = title.chars().take(TITLE_CHARACTERS_MAX).collect();
        this.text((TEXT_LEFT, TITLE_TOP), TITLE_DOT, &title, this.palette.text);
        this.text((TEXT_LEFT, NOTE_TOP), NOTE_DOT, note, this.palette.muted);
        this.text(
            (TEXT_LEFT, COUNTER_LABEL_TOP),
            NOTE_DOT,
            "FRAME",
            this.palette.muted,
        );
        this.backdrop.copy_from(&this.canvas);
        this
    }

    /// Draws the picture for one frame and returns it.
    pub(super) fn draw(&mut self, counter: u64, time_of_day: SystemTime) -> &Canvas {
        let since_epoch = time_of_day
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        self.canvas.copy_from(&self.backdrop);
        self.draw_hand(since_epoch);
        self.draw_second(since_epoch);
        self.draw_clock(since_epoch);
        self.draw_counter(counter);
        &self.canvas
    }

    pub(super) fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    fn area(&self, left: f32, top: f32, width: f32, height: f32) -> Area {
        let unit = self.unit;
        Area {
            left: left * unit,
            top: top * unit,
            right: (left + width) * unit,
            bottom: (top + height) * unit,
        }
    }

    fn draw_backdrop(&mut self) {
        let (night, dusk) = (self.palette.night, self.palette.dusk);
        let whole = self.area(0.0, 0.0, 640.0, 360.0);
        let height = whole.bottom;
        self.canvas
            .paint(whole, |_, y| (night.mix(dusk, y / height), 1.0));
    }

    /// 75 % colour bars above and a grey staircase below, for judging colours.
    fn draw_bars(&mut self) {
        const BARS: [u32; 8] = [
            0xbf_bfbf, 0xbf_bf00, 0x00_bfbf, 0x00_bf00, 0xbf_00bf, 0xbf_0000, 0x00_00bf, 0x00_0000,
        ];
        let width = 640.0 / BARS.len() as f32;
        for (index, rgb) in BARS.into_iter().enumerate() {
            let area = self.area(index as f32 * width, 0.0, width, BARS_HEIGHT);
            self.canvas.fill(area, 0.0, Colour::rgb(rgb), 1.0);
        }
        let width = 640.0 / RAMP_STEPS as f32;
        for index in 0..RAMP_STEPS {
            let grey = (index * 255 / (RAMP_STEPS - 1)) as u32;
            let area = self.area(
                index as f32 * width,
                360.0 - RAMP_HEIGHT,
                width,
                RAMP_HEIGHT,
            );
            self.canvas
                .fill(area, 0.0, Colour::rgb(grey << 16 | grey << 8 | grey), 1.0);
        }
    }

    fn draw_dial_face(&mut self) {
        let (x, y) = self.dial();
        let radius = DIAL_RADIUS * self.unit;
        let disc = Area::around(x, y, radius);
        self.canvas.fill(disc, radius, self.palette.panel, 1.0);
        self.canvas
            .ring((x, y), radius, 3.0 * self.unit, self.palette.faint);
        for tick in 0..60 {
            let (sin, cos) = (tick as f32 / 60.0 * TAU).sin_cos();
            let (inner, width, colour) = match tick {
                _ if tick % 15 == 0 => (0.84, 3.0, self.palette.text),
                _ if tick % 5 == 0 => (0.88, 2.0, self.palette.muted),
                _ => (0.91, 1.0, self.palette.faint),
            };
            let at = |part: f32| (x + sin * radius * part, y - cos * radius * part);
            self.canvas
                .line(at(inner), at(0.94), width * self.unit, colour, 1.0);
        }
    }

    fn dial(&self) -> (f32, f32) {
        (DIAL.0 * self.unit, DIAL.1 * self.unit)
    }

    /// The hand turns once a second with a fading trail, and the hub flashes with the beep.
    fn draw_hand(&mut self, since_epoch: Duration) {
        let turn = since_epoch.subsec_nanos() as f32 / 1e9;
        let (x, y) = self.dial();
        let reach = DIAL_RADIUS * self.unit * 0.80;
        let glow = self.palette.glow;
        let (hand_sin, hand_cos) = (turn * TAU).sin_cos();
        self.canvas.paint(Area::around(x, y, reach), |px, py| {
            let (dx, dy) = (px - x, y - py);
            let edge = (reach - dx.hypot(dy) + 0.5).clamp(0.0, 1.0);
            if edge == 0.0 {
                return (glow, 0.0);
            }
            // In coordinates rotated so that the hand is at zero, the angle behind the hand is the age of the trail.
            let across = dx * hand_cos - dy * hand_sin;
            let along = dx * hand_sin + dy * hand_cos;
            let behind = (-across).atan2(along).rem_euclid(TAU) / TAU;
            let fade = 1.0 - behind;
            (glow, edge * fade * fade * 0.55)
        });
        let tip = (x + hand_sin * reach, y - hand_cos * reach);
        self.canvas
            .line((x, y), tip, 4.0 * self.unit, self.palette.text, 1.0);
        let flash = flash_strength(since_epoch);
        let hub = (13.0 + 21.0 * flash) * self.unit;
        let colour = self.palette.accent.mix(self.palette.text, flash);
        self.canvas.fill(Area::around(x, y, hub), hub, colour, 1.0);
        if flash > 0.0 {
            let lit = self.palette.faint.mix(self.palette.text, flash);
            self.canvas
                .ring((x, y), DIAL_RADIUS * self.unit, 5.0 * self.unit, lit);
        }
    }

    /// A bar that fills during each second.
    fn draw_second(&mut self, since_epoch: Duration) {
        let part = since_epoch.subsec_nanos() as f32 / 1e9;
        let radius = SECOND_HEIGHT / 2.0;
        let width = SECOND_HEIGHT + (TEXT_WIDTH - SECOND_HEIGHT) * part;
        let track = self.area(TEXT_LEFT, SECOND_TOP, TEXT_WIDTH, SECOND_HEIGHT);
        self.canvas
            .fill(track, radius * self.unit, self.palette.faint, 1.0);
        let bar = self.area(TEXT_LEFT, SECOND_TOP, width, SECOND_HEIGHT);
        self.canvas
            .fill(bar, radius * self.unit, self.palette.accent, 1.0);
    }

    fn draw_clock(&mut self, since_epoch: Duration) {
        let seconds = since_epoch.as_secs();
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let millis = since_epoch.subsec_millis();
        let clock = format!("{hour:02}:{minute:02}:{second:02}.{millis:03}");
        self.text((TEXT_LEFT, CLOCK_TOP), CLOCK_DOT, &clock, self.palette.text);
        let (year, month, day) = civil_date(seconds / 86_400);
        let date = format!("{year:04}-{month:02}-{day:02} UTC");
        self.text((TEXT_LEFT, DATE_TOP), NOTE_DOT, &date, self.palette.muted);
    }

    fn draw_counter(&mut self, counter: u64) {
        let colour = self.palette.accent.mix(self.palette.text, 0.15);
        for (index, digit) in counter_digits(counter).into_iter().enumerate() {
            let left = TEXT_LEFT + (index * ADVANCE) as f32 * COUNTER_DOT;
            self.glyph(
                (left, COUNTER_TOP),
                COUNTER_DOT,
                &DIGITS[digit],
                colour,
                true,
            );
        }
    }

    fn text(&mut self, (left, top): (f32, f32), dot: f32, text: &str, colour: Colour) {
        for (index, character) in text.chars().enumerate() {
            let left = left + (index * ADVANCE) as f32 * dot;
            self.glyph((left, top), dot, &glyph(character), colour, false);
        }
    }

    /// One glyph of round dots; with `matrix`, dark dots are faintly visible too.
    fn glyph(
        &mut self,
        (left, top): (f32, f32),
        dot: f32,
        glyph: &Glyph,
        colour: Colour,
        matrix: bool,
    ) {
        let gap = if dot >= 4.0 { dot * 0.08 } else { 0.0 };
        let side = dot - 2.0 * gap;
        for row in 0..GLYPH_HEIGHT {
            for column in 0..GLYPH_WIDTH {
                let lit = is_lit(glyph, column, row);
                if !lit && !matrix {
                    continue;
                }
                let (x, y) = (
                    left + column as f32 * dot + gap,
                    top + row as f32 * dot + gap,
                );
                let area = self.area(x, y, side, side);
                let colour = if lit { colour } else { self.palette.panel };
                let radius = if dot >= 4.0 {
                    side * 0.25 * self.unit
                } else {
                    0.0
                };
                self.canvas.fill(area, radius, colour, 1.0);
            }
        }
    }

    pub(super) fn size(&self) -> CardSize {
        self.size
    }
}

/// The brightness of the flash: full at the start of a second, zero after [`FLASH`].
fn flash_strength(since_epoch: Duration) -> f32 {
    let into = Duration::from_nanos(u64::from(since_epoch.subsec_nanos()));
    if into >= FLASH {
        0.0
    } else {
        1.0 - into.as_secs_f32() / FLASH.as_secs_f32()
    }
}

fn counter_digits(counter: u64) -> [usize; COUNTER_DIGITS] {
    let mut rest = counter % COUNTER_WRAP;
    let mut digits = [0; COUNTER_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = (rest % 10) as usize;
        rest /= 10;
    }
    digits
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil_date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    // Whole cycles of 400 years first, so that the loops below stay short.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

/// Reads the frame counter back from a decoded picture's luma plane, as far as compression left
/// the digits recognisable.
pub(super) fn read_counter(size: CardSize, luma: &[u8], stride: usize) -> Option<u64> {
    let (_, height) = size.pixels();
    let unit = height as f32 / 360.0;
    let mut value = 0;
    for index in 0..COUNTER_DIGITS {
        let left = TEXT_LEFT + (index * ADVANCE) as f32 * COUNTER_DOT;
        let mut seen: Glyph = [0; GLYPH_HEIGHT];
        for (row, bits) in seen.iter_mut().enumerate() {
            for column in 0..GLYPH_WIDTH {
                let x = (left + (column as f32 + 0.5) * COUNTER_DOT) * unit;
                let y = (COUNTER_TOP + (row as f32 + 0.5) * COUNTER_DOT) * unit;
                let sample = *luma.get(y as usize * stride + x as usize)?;
                *bits = *bits << 1 | u8::from(sample > LIT_LUMA);
            }
        }
        let digit = DIGITS.iter().position(|digit| *digit == seen)?;
        value = value * 10 + digit as u64;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_read_back_at_every_size() {
        for size in [CardSize::P360, CardSize::P720] {
            let mut picture = Picture::new(size, "restage", "note");
            for counter in [0, 1, 99, 123_456, 789_012, 999_999, 1_000_001] {
                let canvas = picture.draw(counter, SystemTime::UNIX_EPOCH);
                let read = read_counter(size, &canvas.y, canvas.width);
                assert_eq!(read, Some(counter % COUNTER_WRAP), "{size:?}");
            }
        }
        assert_eq!(read_counter(CardSize::P360, &[16; 640 * 360], 640), None);
        assert_eq!(read_counter(CardSize::P360, &[], 640), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (789, (1972, 2, 29)),
            (11_016, (2000, 2, 29)),
            (19_723, (2024, 1, 1)),
            (20_819, (2027, 1, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ];
        for (days, date) in cases {
            assert_eq!(civil_date(days), date, "day {days}");
        }
    }

    #[test]
    fn the_flash_starts_with_the_second() {
        let at = |millis| flash_strength(Duration::from_millis(millis));
        assert_eq!(at(5_000), 1.0);
        assert!(at(5_050) > 0.0 && at(5_050) < 1.0);
        assert_eq!(at(5_000 + FLASH.as_millis() as u64), 0.0);
        assert_eq!(at(5_999), 0.0);
    }
}
