//! The least delay of packets.

/// The two least of some delays. The second counts, so that one packet with a wrong timestamp changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Least {
    first_us: Option<i64>,
    second_us: Option<i64>,
}

impl Least {
    pub(super) fn take(&mut self, delay_us: i64) {
        match self.first_us {
            Some(first) if delay_us >= first => {
                let second = self
                    .second_us
                    .map_or(delay_us, |second| second.min(delay_us));
                self.second_us = Some(second);
            }
            first => {
                self.second_us = first;
                self.first_us = Some(delay_us);
            }
        }
    }

    /// The second least; `None` before there are two.
    pub(super) fn second_us(&self) -> Option<i64> {
        self.second_us
    }

    /// The second least, or the only one.
    pub(super) fn any_us(&self) -> Option<i64> {
        self.second_us.or(self.first_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_that_is_less_does_not_count() {
        let mut least = Least::default();
        assert_eq!(least.any_us(), None);
        least.take(7);
        assert_eq!((least.any_us(), least.second_us()), (Some(7), None));
        for delay in [-900, 9, 5, 6] {
            least.take(delay);
        }
        assert_eq!(least.second_us(), Some(5));
    }
}
