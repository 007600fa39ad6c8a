//! Writes transport-wide feedback as receivers do, by the draft and not by the code under test.

/// A message about the packets from `first` on: for each the microseconds of its arrival, or `None`.
pub(crate) fn message(first: u16, arrivals: &[Option<i64>], count: u8) -> Vec<u8> {
    let reference = arrivals.iter().flatten().min().copied().unwrap_or(0) / 64_000;
    let mut bytes = Vec::new();
    bytes.extend(first.to_be_bytes());
    bytes.extend((arrivals.len() as u16).to_be_bytes());
    bytes.extend(&((reference & 0xff_ffff) as u32).to_be_bytes()[1..]);
    bytes.push(count);
    let mut times = Vec::new();
    let mut before = reference * 256;
    let mut statuses: Vec<u16> = Vec::new();
    for arrival in arrivals {
        let Some(arrival) = arrival else {
            statuses.push(0);
            continue;
        };
        let step = arrival / 250 - before;
        before = arrival / 250;
        match u8::try_from(step) {
            Ok(step) => {
                statuses.push(1);
                times.push(step);
            }
            Err(_) => {
                statuses.push(2);
                times.extend((step as i16).to_be_bytes());
            }
        }
    }
    for seven in statuses.chunks(7) {
        let mut chunk = 0b11_u16 << 14;
        for (place, status) in seven.iter().enumerate() {
            chunk |= status << (12 - 2 * place);
        }
        bytes.extend(chunk.to_be_bytes());
    }
    bytes.extend(times);
    bytes
}
