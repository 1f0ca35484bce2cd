//! `OTEL_TRACES_SAMPLER`: which traces are told of.

/// Which traces are told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// Whether the caller's decision counts, where there is one.
    by_parent: bool,
    /// Out of 2^56; the share of trace identifiers that are sampled.
    below: u64,
}

const WHOLE: u64 = 1 << 56;

impl Sampler {
    /// By the names of the specification. `None` if there is no such sampler, or its argument is no share.
    pub(crate) fn of(name: &str, argument: Option<&str>) -> Option<Self> {
        let (by_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let below = match root {
            "always_on" => WHOLE,
            "always_off" => 0,
            "traceidratio" => {
                let share: f64 = argument.unwrap_or("1").parse().ok()?;
                if !(0.0..=1.0).contains(&share) {
                    return None;
                }
                #[allow(clippy::cast_precision_loss, reason = "a share is not more exact than that")]
                let below = (share * WHOLE as f64) as u64;
                below
            }
            _ => return None,
        };
        Some(Self { by_parent, below })
    }

    /// Whether a trace is told of. The last seven bytes of its identifier decide, as everybody has it.
    pub(crate) fn samples(self, trace: [u8; 16], parent: Option<bool>) -> bool {
        if let Some(sampled) = parent.filter(|_| self.by_parent) {
            return sampled;
        }
        let random = u128::from_be_bytes(trace) as u64 & (WHOLE - 1);
        random < self.below
    }
}

impl Default for Sampler {
    /// `parentbased_always_on`.
    fn default() -> Self {
        Self { by_parent: true, below: WHOLE }
    }
}
