//! The configuration of AAC (`AudioSpecificConfig`, ISO/IEC 14496-3 §1.6.2.1).

/// What a decoder of AAC needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    /// The audio object type: 2 for AAC-LC, 5 for HE-AAC, 29 for HE-AAC v2.
    pub object_type: u8,
    /// Samples per second of one channel.
    pub rate_hz: u32,
    /// Number of channels; 0 where a program config element or a reserved value says it.
    pub channels: u8,
    /// Spectral band replication is signalled (HE-AAC).
    pub has_sbr: bool,
    /// Samples of one channel in an access unit: 1,024, or 960.
    pub samples: u16,
    /// The configuration as it came, for a decoder. It has at most 64 bytes.
    pub bytes: Vec<u8>,
}

/// Bytes of a configuration.
pub(crate) const AAC_CONFIG_BYTES_MAX: usize = 64;
/// AAC-LC.
pub(crate) const OBJECT_TYPE_LC: u8 = 2;
const OBJECT_TYPE_SBR: u8 = 5;
const OBJECT_TYPE_PS: u8 = 29;
/// More of an object type follows.
const OBJECT_TYPE_ESCAPE: u8 = 31;
/// A rate that is written out.
const RATE_ESCAPE: u32 = 15;
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// Marks an extension behind the configuration (§1.6.5.2).
const SYNC_EXTENSION: u32 = 0x2b7;

impl AacConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// A clause that says in which way it is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > AAC_CONFIG_BYTES_MAX {
            return Err("it is too long");
        }
        let mut config = Self::read(&mut Bits { bytes, position: 0 })
            .ok_or("it is cut short, or has an unknown rate")?;
        config.bytes = bytes.to_vec();
        Ok(config)
    }

    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let mut object_type = read_object_type(bits)?;
        let rate_hz = read_rate(bits)?;
        let channels = match bits.take(4)? {
            channels @ 1..=6 => channels as u8,
            7 => 8,
            _ => 0,
        };
        let mut has_sbr = false;
        if matches!(object_type, OBJECT_TYPE_SBR | OBJECT_TYPE_PS) {
            has_sbr = true;
            read_rate(bits)?;
            read_object_type(bits)?;
        }
        // frameLengthFlag, dependsOnCoreCoder with its delay, extensionFlag. A configuration that ends before has none of them.
        let is_short = bits.take(1).unwrap_or(0) == 1;
        if bits.take(1).unwrap_or(0) == 1 {
            bits.take(14)?;
        }
        bits.take(1);
        if object_type == OBJECT_TYPE_LC && channels != 0 && bits.take(11) == Some(SYNC_EXTENSION) {
            let extension = read_object_type(bits);
            if extension == Some(OBJECT_TYPE_SBR) && bits.take(1) == Some(1) {
                has_sbr = true;
                object_type = OBJECT_TYPE_SBR;
            }
        }
        Some(Self {
            object_type,
            rate_hz,
            channels,
            has_sbr,
            samples: if is_short { 960 } else { 1_024 },
            bytes: Vec::new(),
        })
    }

    /// Its name as people write it.
    pub(crate) fn name(&self) -> String {
        match self.object_type {
            OBJECT_TYPE_LC => "AAC-LC".into(),
            OBJECT_TYPE_SBR => "HE-AAC".into(),
            OBJECT_TYPE_PS => "HE-AAC v2".into(),
            1 => "AAC Main".into(),
            3 => "AAC-SSR".into(),
            4 => "AAC-LTP".into(),
            other => format!("MPEG-4 audio of object type {other}"),
        }
    }
}

fn read_object_type(bits: &mut Bits<'_>) -> Option<u8> {
    match bits.take(5)? as u8 {
        OBJECT_TYPE_ESCAPE => Some(32 + bits.take(6)? as u8),
        object_type => Some(object_type),
    }
}

fn read_rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(4)? {
        RATE_ESCAPE => bits.take(24).filter(|rate| *rate > 0),
        index => RATES.get(index as usize).copied(),
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    /// The next bits, up to 32; `None` once the bytes are used up.
    fn take(&mut self, count: usize) -> Option<u32> {
        if self.position + count > self.bytes.len() * 8 {
            return None;
        }
        let value = (self.position..self.position + count).fold(0, |value, bit| {
            let byte = self.bytes[bit / 8];
            value << 1 | u32::from(byte >> (7 - bit % 8) & 1)
        });
        self.position += count;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (String, u32, u8, bool, u16) {
        let config = AacConfig::parse(bytes).unwrap();
        assert_eq!(config.bytes, bytes);
        let name = config.name();
        (
            name,
            config.rate_hz,
            config.channels,
            config.has_sbr,
            config.samples,
        )
    }

    #[test]
    fn configurations_of_encoders() {
        let lc = || "AAC-LC".to_owned();
        assert_eq!(read(&[0x12, 0x10]), (lc(), 44_100, 2, false, 1_024));
        assert_eq!(read(&[0x11, 0x88]), (lc(), 48_000, 1, false, 1_024));
        assert_eq!(read(&[0x11, 0xb0]), (lc(), 48_000, 6, false, 1_024));
        // With the extension that says that there is no SBR, as FFmpeg writes it, and with one that says there is.
        assert_eq!(
            read(&[0x11, 0x90, 0x56, 0xe5, 0x00]),
            (lc(), 48_000, 2, false, 1_024)
        );
        assert_eq!(
            read(&[0x13, 0x10, 0x56, 0xe5, 0x9d, 0x48, 0x80]),
            ("HE-AAC".into(), 24_000, 2, true, 1_024)
        );
        // SBR in front: HE-AAC, and v2 with a mono core.
        assert_eq!(
            read(&[0x2b, 0x11, 0x88, 0x00]),
            ("HE-AAC".into(), 24_000, 2, true, 1_024)
        );
        assert_eq!(
            read(&[0xeb, 0x09, 0x88, 0x00]),
            ("HE-AAC v2".into(), 24_000, 1, true, 1_024)
        );
        // A rate that is written out: 48,000, mono.
        assert_eq!(
            read(&[0x17, 0x80, 0x5d, 0xc0, 0x08]),
            (lc(), 48_000, 1, false, 1_024)
        );
    }

    #[test]
    fn damage_is_refused() {
        assert!(AacConfig::parse(&[]).is_err());
        assert!(AacConfig::parse(&[0x12]).is_err());
        assert!(
            AacConfig::parse(&[0x16, 0x90]).is_err(),
            "rate 13 is reserved"
        );
        assert!(AacConfig::parse(&[0x17, 0x80, 0, 0]).is_err());
        assert_eq!(AacConfig::parse(&[0x12; 65]), Err("it is too long"));
    }
}
