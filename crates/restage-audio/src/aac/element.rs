//! The elements of an access unit: a single channel, or a pair (ISO/IEC 14496-3 §4.4.2.1).

use crate::aac::bits::BitWriter;
use crate::aac::hearing::energies;
use crate::aac::layout::{Layout, Sequence};
use crate::aac::noiseless::{Plan, has_value};
use crate::aac::quantize::Quantized;

/// `id_syn_ele` (Table 4.85).
const SINGLE_CHANNEL: u32 = 0;
const CHANNEL_PAIR: u32 = 1;
const END: u32 = 7;

/// One channel of an access unit: what is to be written, and how well.
#[derive(Debug)]
pub(super) struct Channel {
    /// In the order in which they are written.
    pub(super) lines: Vec<f32>,
    /// Of each band.
    pub(super) energies: Vec<f32>,
    /// The energy of error that is not heard, of each band.
    pub(super) allowed: Vec<f32>,
}

/// Writes half the sum and half the difference instead of left and right, in bands where that takes fewer bits (§4.6.8.1). Returns in
/// which ones.
pub(super) fn join(layout: &Layout, left: &mut Channel, right: &mut Channel) -> Vec<bool> {
    let halves = |sign: f32| -> Vec<f32> {
        let pairs = left.lines.iter().zip(&right.lines);
        pairs
            .map(|(left, right)| (left + sign * right) / 2.0)
            .collect()
    };
    let (middle, side) = (halves(1.0), halves(-1.0));
    let middle_energies = energies(&layout.bands, &middle);
    let side_energies = energies(&layout.bands, &side);
    let mut is_joint = vec![false; layout.bands.len()];
    for (index, band) in layout.bands.iter().enumerate() {
        // The errors of both add up in left and right.
        let allowed = left.allowed[index].min(right.allowed[index]) / 2.0;
        let apart = need(left.energies[index], left.allowed[index])
            + need(right.energies[index], right.allowed[index]);
        let joint = need(middle_energies[index], allowed) + need(side_energies[index], allowed);
        if joint > apart || apart == 0.0 {
            continue;
        }
        is_joint[index] = true;
        let lines = band.start..band.start + band.lines;
        left.lines[lines.clone()].copy_from_slice(&middle[lines.clone()]);
        right.lines[lines.clone()].copy_from_slice(&side[lines]);
        left.energies[index] = middle_energies[index];
        right.energies[index] = side_energies[index];
        left.allowed[index] = allowed;
        right.allowed[index] = allowed;
    }
    is_joint
}

/// The need of a band, in a unit of bits for each of its lines.
fn need(energy: f32, allowed: f32) -> f32 {
    (energy / allowed).max(1.0).log2()
}

/// A channel as it is written.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) quantized: Quantized,
    pub(super) plan: Plan,
}

/// Bits of all that is not in a [`Plan`].
pub(super) fn frame_bits(layout: &Layout, is_joint: &[bool], channels: usize) -> u32 {
    let info = if layout.sequence == Sequence::Short {
        15
    } else {
        11
    };
    // `global_gain` and three flags of tools that are not used.
    let per_channel = 8 + 3;
    let pair = if channels == 2 {
        1 + 2 + mask_bits(is_joint)
    } else {
        0
    };
    3 + 4 + info + pair + channels as u32 * per_channel + 3
}

fn mask_bits(is_joint: &[bool]) -> u32 {
    if mask_kind(is_joint) == 1 {
        is_joint.len() as u32
    } else {
        0
    }
}

/// `ms_mask_present`: no band, some, all.
fn mask_kind(is_joint: &[bool]) -> u32 {
    match is_joint.iter().filter(|is_joint| **is_joint).count() {
        0 => 0,
        count if count == is_joint.len() => 2,
        _ => 1,
    }
}

/// Writes a `raw_data_block` with one or two channels.
pub(super) fn write(layout: &Layout, is_joint: &[bool], channels: &[Coded]) -> Vec<u8> {
    let mut writer = BitWriter::default();
    match channels {
        [channel] => {
            writer.put(SINGLE_CHANNEL, 3);
            writer.put(0, 4);
            write_channel(layout, channel, true, &mut writer);
        }
        channels => {
            writer.put(CHANNEL_PAIR, 3);
            writer.put(0, 4);
            // `common_window`.
            writer.put(1, 1);
            write_info(layout, &mut writer);
            let kind = mask_kind(is_joint);
            writer.put(kind, 2);
            if kind == 1 {
                is_joint
                    .iter()
                    .for_each(|is_joint| writer.put(u32::from(*is_joint), 1));
            }
            for channel in channels {
                write_channel(layout, channel, false, &mut writer);
            }
        }
    }
    writer.put(END, 3);
    writer.finish()
}

/// `ics_info` (Table 4.6).
fn write_info(layout: &Layout, writer: &mut BitWriter) {
    writer.put(0, 1);
    writer.put(layout.sequence.number(), 2);
    // `window_shape`: sine.
    writer.put(0, 1);
    if layout.sequence == Sequence::Short {
        writer.put(layout.bands_per_group as u32, 4);
        // `scale_factor_grouping`: a one for each window that is in the group of the one before.
        for (index, &windows) in layout.groups.iter().enumerate() {
            if index > 0 {
                writer.put(0, 1);
            }
            (1..windows).for_each(|_| writer.put(1, 1));
        }
    } else {
        writer.put(layout.bands_per_group as u32, 6);
        // `predictor_data_present`.
        writer.put(0, 1);
    }
}

/// `individual_channel_stream` (Table 4.50).
fn write_channel(layout: &Layout, channel: &Coded, with_info: bool, writer: &mut BitWriter) {
    let Quantized { values, scales } = &channel.quantized;
    let first = (layout.bands.iter().zip(scales))
        .find(|(band, _)| has_value(&values[band.start..band.start + band.lines]));
    writer.put(first.map_or(0, |(_, scale)| *scale as u32), 8);
    if with_info {
        write_info(layout, writer);
    }
    // `pulse_data_present`, `tns_data_present`, `gain_control_data_present`.
    let tools = |writer: &mut BitWriter| writer.put(0, 3);
    channel.plan.write(layout, values, scales, writer, tools);
}
