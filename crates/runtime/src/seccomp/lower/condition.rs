//! A condition on one argument, brought into the form in which it is tested.

use std::cmp::{Ordering, Reverse};

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator};

use super::Check;

/// How a masked argument is compared with the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::seccomp) enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    GreaterOrEqual,
    Greater,
}

/// `argument & mask  op  value`, on 64 bits, or on the low 32 where the interface has no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::seccomp) struct Condition {
    pub(in crate::seccomp) argument: u8,
    pub(in crate::seccomp) op: Op,
    pub(in crate::seccomp) mask: u64,
    pub(in crate::seccomp) value: u64,
    pub(in crate::seccomp) narrow: bool,
}

impl Condition {
    /// A profile's condition; none if it holds for every value.
    pub(super) fn of(argument: &LinuxSeccompArg, narrow: bool) -> Option<Self> {
        let width = if narrow { u64::from(u32::MAX) } else { u64::MAX };
        let op = match argument.op() {
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                // The first value is the mask, the second what is compared with.
                let mask = argument.value() & width;
                let value = argument.value_two().unwrap_or_default() & mask;
                let condition = Self { argument: argument.index() as u8, op: Op::Equal, mask, value, narrow };
                return (mask != 0).then_some(condition);
            }
            LinuxSeccompOperator::ScmpCmpEq => Op::Equal,
            LinuxSeccompOperator::ScmpCmpNe => Op::NotEqual,
            LinuxSeccompOperator::ScmpCmpLt => Op::Less,
            LinuxSeccompOperator::ScmpCmpLe => Op::LessOrEqual,
            LinuxSeccompOperator::ScmpCmpGe => Op::GreaterOrEqual,
            LinuxSeccompOperator::ScmpCmpGt => Op::Greater,
        };
        Some(Self { argument: argument.index() as u8, op, mask: width, value: argument.value() & width, narrow })
    }

    /// The choice of a call behind one of i386's gateways.
    pub(super) const fn selects(selector: u32) -> Self {
        Self { argument: 0, op: Op::Equal, mask: u32::MAX as u64, value: selector as u64, narrow: true }
    }

    /// libseccomp's order of tests on one level of its tree (db.c, `_db_chain_lt`): later arguments first, then
    /// equality before upper bounds before lower bounds, then the largest value, for upper bounds the smallest.
    fn cmp_in_tree(&self, other: &Self) -> Ordering {
        let rank = |op| match op {
            Op::Equal | Op::NotEqual => 0,
            Op::Less | Op::LessOrEqual => 1,
            Op::GreaterOrEqual | Op::Greater => 2,
        };
        let value = |condition: &Self| {
            let upper_bound = matches!(condition.op, Op::Less | Op::LessOrEqual);
            if upper_bound { condition.value } else { !condition.value }
        };
        let key = |condition: &Self| (Reverse(condition.argument), rank(condition.op), value(condition));
        key(self).cmp(&key(other))
    }
}

/// The checks of one call in the order in which they are made; none if two contradict each other.
///
/// Order tells only where checks with different verdicts overlap. libseccomp then goes by its tree, not by the
/// profile, so this does too.
pub(super) fn arranged<'a>(checks: impl Iterator<Item = &'a Check>) -> Option<Vec<Check>> {
    let mut arranged: Vec<Check> = Vec::new();
    for check in checks {
        match arranged.iter().find(|known| known.conditions == check.conditions) {
            None => arranged.push(check.clone()),
            Some(known) if known.verdict == check.verdict => {}
            Some(_) => return None,
        }
    }
    if arranged.windows(2).any(|pair| matches!(pair, [a, b] if a.verdict != b.verdict)) {
        arranged.sort_by(|a, b| {
            let level = a.conditions.iter().zip(&b.conditions).map(|(a, b)| a.cmp_in_tree(b));
            level.fold(Ordering::Equal, Ordering::then).then(a.conditions.len().cmp(&b.conditions.len()))
        });
    }
    Some(arranged)
}
